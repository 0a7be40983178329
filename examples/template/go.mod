module github.com/hitl-go/sdk/examples/template

go 1.26.0

require github.com/hitl-go/sdk v0.1.0
