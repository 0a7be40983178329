package media

var (
	NewFile  = newFile
	ParseURL = parseURL
	Resolve  = resolve
)
