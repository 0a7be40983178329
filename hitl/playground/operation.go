package playground

import "net/http"

// operation is the name of an API operation in the official OpenAPI document.
type operation string

// ServeHTTP does nothing: only the routing of the mux is used.
func (operation) ServeHTTP(http.ResponseWriter, *http.Request) {}

// operations routes requests to the names of operations.
func operations() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, name := range map[string]operation{
		"POST /v1/chat/users":                                      "createUser",
		"GET /v1/chat/users":                                       "listUsers",
		"POST /v1/chat/users/get-or-create":                        "getOrCreateUser",
		"GET /v1/chat/users/{id}":                                  "getUser",
		"PUT /v1/chat/users/{id}":                                  "updateUser",
		"DELETE /v1/chat/users/{id}":                               "deleteUser",
		"POST /v1/chat/conversations":                              "createConversation",
		"GET /v1/chat/conversations":                               "listConversations",
		"POST /v1/chat/conversations/get-or-create":                "getOrCreateConversation",
		"GET /v1/chat/conversations/{id}":                          "getConversation",
		"PUT /v1/chat/conversations/{id}":                          "updateConversation",
		"DELETE /v1/chat/conversations/{id}":                       "deleteConversation",
		"GET /v1/chat/conversations/{id}/participants":             "listParticipants",
		"POST /v1/chat/conversations/{id}/participants":            "addParticipant",
		"GET /v1/chat/conversations/{id}/participants/{userId}":    "getParticipant",
		"DELETE /v1/chat/conversations/{id}/participants/{userId}": "removeParticipant",
		"POST /v1/chat/messages":                                   "createMessage",
		"GET /v1/chat/messages":                                    "listMessages",
		"POST /v1/chat/messages/get-or-create":                     "getOrCreateMessage",
		"POST /v1/chat/messages/import-messages":                   "importMessages",
		"GET /v1/chat/messages/{id}":                               "getMessage",
		"PUT /v1/chat/messages/{id}":                               "updateMessage",
		"DELETE /v1/chat/messages/{id}":                            "deleteMessage",
		"POST /v1/chat/initialize-incoming-message":                "initializeIncomingMessage",
		"POST /v1/chat/events":                                     "createEvent",
		"GET /v1/chat/events":                                      "listEvents",
		"GET /v1/chat/events/{id}":                                 "getEvent",
		"DELETE /v1/chat/events/scheduled/{id}":                    "cancelScheduledEvent",
		"GET /v1/chat/states/{type}/{id}/{name}":                   "getState",
		"POST /v1/chat/states/{type}/{id}/{name}":                  "setState",
		"PATCH /v1/chat/states/{type}/{id}/{name}":                 "patchState",
		"POST /v1/chat/states/{type}/{id}/{name}/get-or-set":       "getOrSetState",
		"POST /v1/chat/states/{type}/{id}/{name}/expiry":           "setStateExpiry",
		"POST /v1/chat/actions":                                    "callAction",
		"POST /v1/chat/integrations/configure":                     "configureIntegration",
		"GET /v1/chat/tags/{key}/values":                           "listTagValues",
		"PUT /v1/files":                                            "upsertFile",
		"GET /v1/files":                                            "listFiles",
		"GET /v1/files/{id}":                                       "getFile",
		"PUT /v1/files/{id}":                                       "updateFileMetadata",
		"DELETE /v1/files/{id}":                                    "deleteFile",
	} {
		mux.Handle(pattern, name)
	}
	return mux
}
