package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// T is what a [Visitor] needs of a test.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Visitor does and sees what people do and see on a page. The test ends when something cannot be done, or is not seen in
// time.
type Visitor struct {
	T        T
	Page     *Page
	Context  context.Context //nolint:containedctx // It lasts as long as the visit, which is the test.
	Pictures string          // Where the pictures go.
}

// soon is how long anything may take to be seen.
const soon = time.Second

var errLate = errors.New("not in time")

// Must ends the test if there is an error, and keeps a picture of what the page looked like.
func (v *Visitor) Must(err error) {
	v.T.Helper()
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context), soon)
	defer cancel()
	if shot, failed := v.Page.Screenshot(ctx); failed == nil {
		_ = os.WriteFile(filepath.Join(v.Pictures, "failed.png"), shot, 0o600) // The error is what counts.
	}
	v.T.Fatal(err)
}

// Clicks clicks on the element that a selector finds.
func (v *Visitor) Clicks(selector string) {
	v.T.Helper()
	v.Must(v.Page.Click(v.Context, selector))
}

// Types types a text into an element, and presses Enter.
func (v *Visitor) Types(selector, text string) {
	v.T.Helper()
	v.Clicks(selector)
	v.Must(v.Page.Type(v.Context, text))
	v.Must(v.Page.Press(v.Context, "Enter"))
}

// Sees waits until the element with this id shows a text, for a second.
func (v *Visitor) Sees(id, text string) {
	v.T.Helper()
	v.SeesWithin(soon, id, text)
}

// SeesWithin is Sees for what takes longer.
func (v *Visitor) SeesWithin(time time.Duration, id, text string) {
	v.T.Helper()
	v.wait(time, fmt.Sprintf("document.getElementById(%s)?.textContent.includes(%s)", quoted(id), quoted(text)))
}

// Finds waits until an expression is true, for a second.
func (v *Visitor) Finds(expression string) {
	v.T.Helper()
	v.wait(soon, expression)
}

func (v *Visitor) wait(time time.Duration, expression string) {
	v.T.Helper()
	ctx, cancel := context.WithTimeoutCause(v.Context, time, errLate)
	defer cancel()
	v.Must(v.Page.Wait(ctx, expression))
}

// SeesOnce makes sure that the element with this id shows a text exactly once.
func (v *Visitor) SeesOnce(id, text string) {
	v.T.Helper()
	var times int
	v.Eval(fmt.Sprintf("document.getElementById(%s).textContent.split(%s).length - 1", quoted(id), quoted(text)), &times)
	if times != 1 {
		v.T.Errorf("%s shows %q %d times", id, text, times)
	}
}

// Eval evaluates an expression.
func (v *Visitor) Eval(expression string, out any) {
	v.T.Helper()
	v.Must(v.Page.Eval(v.Context, expression, out))
}

// Shows moves the page to another screen.
func (v *Visitor) Shows(s Screen) {
	v.T.Helper()
	v.Must(v.Page.Show(v.Context, s))
}

// Presses presses a key.
func (v *Visitor) Presses(key string) {
	v.T.Helper()
	v.Must(v.Page.Press(v.Context, key))
}

// Picture keeps a picture of the page as it is once it has come to rest.
func (v *Visitor) Picture(name string) {
	v.T.Helper()
	v.Eval("new Promise((resolve) => setTimeout(resolve, 200))", nil)
	shot, err := v.Page.Screenshot(v.Context)
	v.Must(err)
	v.Must(os.MkdirAll(v.Pictures, 0o750))
	v.Must(os.WriteFile(filepath.Join(v.Pictures, name+".png"), shot, 0o600))
}

// HowTo tells how to run the tests that need a browser, for where there is none.
const HowTo = "needs a browser: apt-get install chromium, then set HITL_CHROMIUM=chromium"

// Path is where the browser is, if tests are to use one.
func Path() (path string, ok bool) { return os.LookupEnv("HITL_CHROMIUM") }

// Complaints are the problems of the page, and the requests that do not go to the address it was served from.
func (v *Visitor) Complaints(address string) []string {
	problems := v.Page.Problems()
	for _, url := range v.Page.URLs() {
		if !strings.HasPrefix(url, address+"/") && url != "about:blank" {
			problems = append(problems, "a request goes to "+url)
		}
	}
	return problems
}
