package verify

import (
	"fmt"
	"io"
	"net/http"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// JSON decodes the body of a webhook into v, a pointer. It is encoding/json but for keys: a key matches a field only if they are
// equal, upper and lower case included, and no object may have a key twice. Many desks put what people write into
// a template of JSON. With encoding/json, who gets a key into it can replace another one's value.
func JSON(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("verify: read the body: %w", err)
	}
	if err := strictjson.Unmarshal(body, v); err != nil {
		return fmt.Errorf("verify: decode the body: %w", err)
	}
	return nil
}
