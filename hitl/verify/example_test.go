package verify_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hitl-go/sdk/hitl/verify"
)

func ExampleGitHub() {
	genuine := verify.GitHub("It's a Secret to Everybody")

	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Hello, World!"))
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	fmt.Println(genuine(r))

	forged := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Goodbye, World!"))
	forged.Header = r.Header
	fmt.Println(genuine(forged))
	// Output:
	// <nil>
	// verify: the request is not genuine: the signature does not match
}

// Front signs the time and the body, with a colon in between.
func ExampleHMAC() {
	genuine := verify.HMAC{
		Header: "X-Front-Signature", Encoding: verify.Base64, TimeHeader: "X-Front-Request-Timestamp",
		Message: func(_ *http.Request, timestamp string, body []byte) string { return timestamp + ":" + string(body) },
	}.Func("the app's signing key")

	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	fmt.Println(genuine(r))
	// Output:
	// verify: the request is not genuine: the header X-Front-Signature is missing, empty or there more than once
}
