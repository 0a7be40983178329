package botpress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// A client for one bot, and a user who is created if the bot does not know them
// yet. Outside of an example the options would come from [botpress.FromEnv].
func Example() {
	api := exampleAPI()
	defer api.Close()

	client, err := botpress.New(botpress.Options{
		BaseURL:       api.URL,
		Token:         "bp_iak_1",
		BotID:         "b1a2c3",
		IntegrationID: "i4d5e6",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()

	user, created, err := client.GetOrCreateUser(context.Background(), botpress.GetOrCreateUserParams{
		Tags:               botpress.Tags{"id": "agent-7"},
		DiscriminateByTags: []string{"id"},
		Name:               "Ada",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.Name, created)
	// Output: Ada true
}

// One client serves every installation of an integration: With changes whose
// data it works on, and shares the connections.
func ExampleClient_With() {
	api := exampleAPI()
	defer api.Close()
	client := exampleClient(api.URL)
	defer client.CloseIdleConnections()

	for _, bot := range []string{"bot-a", "bot-b"} {
		view := client.With(botpress.Scope{BotID: bot, IntegrationAlias: "zendesk"})
		fmt.Println(view)
	}
	// Output:
	// botpress.Client(bot bot-a)
	// botpress.Client(bot bot-b)
}

// Lists fetch page after page as the loop goes on.
func ExampleClient_ListUsers() {
	api := exampleAPI()
	defer api.Close()
	client := exampleClient(api.URL)
	defer client.CloseIdleConnections()

	users := client.ListUsers(context.Background(), botpress.ListUsersParams{Tags: botpress.Tags{"team": "support"}})
	for user, err := range users {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.Name)
	}
	// Output:
	// Ada
	// Grace
	// Edsger
}

// A user interface shows one page and keeps the token of the next.
func ExampleListUsersParams() {
	api := exampleAPI()
	defer api.Close()
	client := exampleClient(api.URL)
	defer client.CloseIdleConnections()

	var next string
	for user, err := range client.ListUsers(context.Background(), botpress.ListUsersParams{PageSize: 2, Next: &next}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.Name)
	}
	fmt.Printf("the next page has NextToken %q\n", next)
	// Output:
	// Ada
	// Grace
	// the next page has NextToken "2"
}

// A message from the desk arrives with its author and its conversation in one
// call. Its tag deduplicates redeliveries by the desk.
func ExampleClient_InitializeIncomingMessage() {
	api := exampleAPI()
	defer api.Close()
	client := exampleClient(api.URL)
	defer client.CloseIdleConnections()

	payload, err := json.Marshal(map[string]string{"text": "Have you tried turning it off and on again?"})
	if err != nil {
		log.Fatal(err)
	}
	result, err := client.InitializeIncomingMessage(context.Background(), botpress.InitializeIncomingMessageParams{
		User: &botpress.GetOrCreateUserParams{
			Tags: botpress.Tags{"id": "agent-7"}, DiscriminateByTags: []string{"id"}, Name: "Ada",
		},
		ConversationID: "conv_1",
		Message: &botpress.IncomingMessage{
			Type: "text", Payload: payload,
			Tags: botpress.Tags{"id": "comment-42"}, DiscriminateByTags: []string{"id"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.User.Name, "said", string(result.Message.Payload))
	// Output: Ada said {"text":"Have you tried turning it off and on again?"}
}

// In an update a field can be left as it is, changed, or removed.
func ExampleOptional() {
	p := botpress.UpdateUserParams{PictureURL: botpress.Null[string](), Name: botpress.Set("Ada")}
	data, err := json.Marshal(p)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(data))
	// Output: {"name":"Ada","pictureUrl":null}
}

// Callers branch on sentinels; the details are in Error.
func ExampleError() {
	api := exampleAPI()
	defer api.Close()
	client := exampleClient(api.URL)
	defer client.CloseIdleConnections()

	_, err := client.GetUser(context.Background(), "nobody")
	if errors.Is(err, botpress.ErrNotFound) {
		fmt.Println("there is no such user")
	}
	var failure *botpress.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Type, failure.ID)
	}
	// Output:
	// there is no such user
	// ResourceNotFound err_7
}

// A server checks that a request comes from Botpress before it does anything
// for it. During a rotation it knows two secrets.
func ExampleVerifier() {
	const oldSecret, newSecret = "b2xkIHNlY3JldA", "bmV3IHNlY3JldA"
	verifier, err := botpress.NewVerifier(oldSecret, newSecret)
	if err != nil {
		log.Fatal(err)
	}

	body := []byte(`{"type": "startHitl"}`)
	signature, err := botpress.Sign(newSecret, time.Now(), body) // as Botpress would
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	r.Header.Set(botpress.SignatureHeader, signature)

	fmt.Println(verifier.Verify(r, body))
	fmt.Println(verifier.Verify(r, []byte(`{"type": "stopHitl"}`)))
	// Output:
	// <nil>
	// botpress: the signature does not match
}

func exampleClient(address string) *botpress.Client {
	client, err := botpress.New(botpress.Options{BaseURL: address, Token: "bp_iak_1"})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// exampleAPI stands for https://api.botpress.cloud.
func exampleAPI() *httptest.Server {
	routes := http.NewServeMux()
	routes.HandleFunc("POST /v1/chat/users/get-or-create", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"user": {"id": "user_1", "name": "Ada"}, "meta": {"created": true}}`)
	})
	routes.HandleFunc("GET /v1/chat/users", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("nextToken") == "" {
			fmt.Fprint(w, `{"users": [{"name": "Ada"}, {"name": "Grace"}], "meta": {"nextToken": "2"}}`)
			return
		}
		fmt.Fprint(w, `{"users": [{"name": "Edsger"}], "meta": {}}`)
	})
	routes.HandleFunc("GET /v1/chat/users/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"id": "err_7", "code": 404, "type": "ResourceNotFound", "message": "no such user"}`)
	})
	routes.HandleFunc("POST /v1/chat/initialize-incoming-message", func(w http.ResponseWriter, r *http.Request) {
		var p botpress.InitializeIncomingMessageParams
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"user": {"name": %q}, "conversation": {}, "message": {"payload": %s}}`, p.User.Name, p.Message.Payload)
	})
	return httptest.NewServer(routes)
}
