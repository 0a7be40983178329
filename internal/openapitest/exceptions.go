package openapitest

// exception is a difference between the API and the documents, which are older.
type exception struct {
	in string // the document
	at string // JSON pointer; see put
	is string // the value there; "" means none
}

// exceptions is the complete list. The checks also know three things that the
// documents do not say: tags in a query are written tags.name=value, DELETE may
// have an empty object as its body, and an error has the schema errorSchema, or
// limitSchema if it is a 429.
var exceptions = []exception{
	// The documents require a security scheme that they do not declare.
	{"runtime", "#/components/securitySchemes", scheme},
	{"admin", "#/components/securitySchemes", scheme},
	{"files", "#/components/securitySchemes", scheme},

	// Lists take a page size.
	{"runtime", "#/paths/~1v1~1chat~1users/get/parameters/-", pageSize},
	{"runtime", "#/paths/~1v1~1chat~1conversations/get/parameters/-", pageSize},
	{"runtime", "#/paths/~1v1~1chat~1conversations~1{id}~1participants/get/parameters/-", pageSize},
	{"runtime", "#/paths/~1v1~1chat~1messages/get/parameters/-", pageSize},
	{"runtime", "#/paths/~1v1~1chat~1events/get/parameters/-", pageSize},
	{"runtime", "#/paths/~1v1~1chat~1tags~1{key}~1values/get/parameters/-", pageSize},
	{"admin", "#/paths/~1v1~1admin~1bots/get/parameters/-", pageSize},
	{"admin", "#/paths/~1v1~1admin~1interfaces/get/parameters/-", pageSize},
	{"admin", "#/paths/~1v1~1admin~1hub~1interfaces/get/parameters/-", pageSize},
	{"files", "#/paths/~1v1~1files/get/parameters/-", pageSize},

	// Get-or-create reports whether it created.
	{"runtime", response + "getOrCreateUserResponse" + schema + "meta", metaCreated},
	{"runtime", response + "getOrCreateConversationResponse" + schema + "meta", metaCreated},
	{"runtime", response + "getOrCreateMessageResponse" + schema + "meta", metaCreated},

	// Users and conversations have properties, and conversations a count.
	{"runtime", "#/components/schemas/User/properties/properties", textMap},
	{"runtime", "#/components/schemas/Conversation/properties/properties", textMap},
	{"runtime", "#/components/schemas/Conversation/properties/messageCount", `{"type": "number"}`},
	{"runtime", request + "createUserBody" + schema + "properties", textMap},
	{"runtime", request + "getOrCreateUserBody" + schema + "properties", textMap},
	{"runtime", request + "updateUserBody" + schema + "properties", textMap},
	{"runtime", request + "createConversationBody" + schema + "properties", textMap},
	{"runtime", request + "getOrCreateConversationBody" + schema + "properties", textMap},
	{"runtime", request + "updateConversationBody" + schema + "properties", textMap},
	{"runtime", request + "initializeIncomingMessageBody" + schema + "user/properties/properties", textMap},
	{"runtime", request + "initializeIncomingMessageBody" + schema + "conversation/properties/properties", textMap},

	// States tell when they expire.
	{"runtime", "#/components/schemas/State/properties/expiry", `{"type": "number"}`},
	{"runtime", "#/components/schemas/State/properties/expiresAt", `{"type": "string", "format": "date-time"}`},

	// An integration can rename parts of an interface, and names the interface
	// that it implements.
	{"admin", request + "createIntegrationBody" + schema + "actions/additionalProperties/properties/name", word},
	{"admin", request + "createIntegrationBody" + schema + "events/additionalProperties/properties/name", word},
	{"admin", request + "createIntegrationBody" + schema + "channels/additionalProperties/properties/name", word},
	{"admin", request + "createIntegrationBody" + schema + "interfaces/additionalProperties/properties/name", word},
	{"admin", request + "createIntegrationBody" + schema + "interfaces/additionalProperties/properties/version", word},
	{"admin", request + "updateIntegrationBody" + schema + "actions/additionalProperties/properties/name", word},
	{"admin", request + "updateIntegrationBody" + schema + "events/additionalProperties/properties/name", word},
	{"admin", request + "updateIntegrationBody" + schema + "channels/additionalProperties/properties/name", word},
	{"admin", request + "updateIntegrationBody" + schema + "interfaces/additionalProperties/properties/name", word},
	{"admin", request + "updateIntegrationBody" + schema + "interfaces/additionalProperties/properties/version", word},
	{"admin", request + "validateIntegrationCreationBody" + schema + "actions/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationCreationBody" + schema + "events/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationCreationBody" + schema + "channels/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationCreationBody" + schema + "interfaces/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationCreationBody" + schema + "interfaces/additionalProperties/properties/version", word},
	{"admin", request + "validateIntegrationUpdateBody" + schema + "actions/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationUpdateBody" + schema + "events/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationUpdateBody" + schema + "channels/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationUpdateBody" + schema + "interfaces/additionalProperties/properties/name", word},
	{"admin", request + "validateIntegrationUpdateBody" + schema + "interfaces/additionalProperties/properties/version", word},

	// Plugins are no longer merged on request.
	{"admin", "#/paths/~1v1~1admin~1bots~1{id}/get/parameters", getBot},
	{"admin", request + "updateBotBody" + schema + "shouldMergePlugins", ""},

	// Signing secrets are shown at creation and can be rotated.
	{"admin", "#/components/schemas/Integration/properties/signingSecret", word},
	{"admin", "#/paths/~1v1~1admin~1integrations~1{id}~1signing-secrets~1rotate", rotate},
}

// Abbreviations for the list.
const (
	request  = "#/components/requestBodies/"
	response = "#/components/responses/"
	schema   = "/content/application~1json/schema/properties/"

	word        = `{"type": "string"}`
	textMap     = `{"type": "object", "additionalProperties": {"type": "string"}}`
	pageSize    = `{"name": "pageSize", "in": "query", "schema": {"type": "number"}}`
	metaCreated = `{"type": "object", "properties": {"created": {"type": "boolean"}}, "required": ["created"], "additionalProperties": false}`
	scheme      = `{"BearerAuth": {"type": "http", "scheme": "scheme"}}`
	getBot      = `[
		{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
		{"name": "x-workspace-id", "in": "header", "required": true, "schema": {"type": "string"}}
	]`
	rotate = `{"post": {
		"operationId": "rotateIntegrationSigningSecrets",
		"parameters": [
			{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
			{"name": "x-workspace-id", "in": "header", "required": true, "schema": {"type": "string"}}
		],
		"responses": {"200": {"description": "", "content": {"application/json": {"schema": {
			"type": "object",
			"properties": {"newSigningSecret": {"type": "string"}},
			"required": ["newSigningSecret"],
			"additionalProperties": false
		}}}}}
	}}`
)

// limitSchema is the schema of the rate limiter's responses.
const limitSchema = `{
	"type": "object",
	"properties": {
		"type": {"type": "string", "enum": ["RateLimited"]},
		"description": {"type": "string"},
		"status": {"type": "integer", "enum": [429]}
	},
	"required": ["type", "description", "status"],
	"additionalProperties": false
}`

// errorSchema is the schema of every other error response.
const errorSchema = `{
	"type": "object",
	"properties": {
		"id": {"type": "string"},
		"code": {"type": "integer", "minimum": 400, "maximum": 599},
		"type": {"type": "string", "enum": [
			"AlreadyExists", "BreakingChanges", "Forbidden", "Internal", "InvalidDataFormat", "InvalidIdentifier",
			"InvalidJsonSchema", "InvalidPayload", "InvalidQuery", "LimitExceeded", "MethodNotFound", "OperationTimeout",
			"PayloadTooLarge", "PaymentRequired", "QuotaExceeded", "RateLimited", "ReferenceConstraint", "ReferenceNotFound",
			"RelationConflict", "ResourceGone", "ResourceLockedConflict", "ResourceNotFound", "Runtime", "Unauthorized",
			"Unknown", "UnsupportedMediaType"
		]},
		"message": {"type": "string"},
		"metadata": {"type": "object"}
	},
	"required": ["id", "code", "type", "message"],
	"additionalProperties": false
}`
