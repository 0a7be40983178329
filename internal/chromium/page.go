package chromium

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Screen is what a page is shown on.
type Screen struct {
	Width, Height int
	Phone         bool // A touch screen with three pixels a point.
	Dark          bool // Its owner prefers dark pages.
}

// Page is an open page. It is safe for concurrent use.
type Page struct {
	browser *Browser
	session string

	mu       sync.Mutex // Guards what follows.
	problems []string
	urls     []string
	byID     map[string]string // URLs by the ids of their requests.
}

// params are what a method of the protocol is called with.
type params map[string]any

// Open opens a page and waits until it is loaded.
func (b *Browser) Open(ctx context.Context, url string, s Screen) (*Page, error) {
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.call(ctx, "", "Target.createTarget", params{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	if err := b.call(ctx, "", "Target.attachToTarget", params{"targetId": target.ID, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: attached.Session, byID: map[string]string{}}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		if err := p.do(ctx, domain+".enable", nil); err != nil {
			return nil, err
		}
	}
	if err := p.Show(ctx, s); err != nil {
		return nil, err
	}
	if err := p.do(ctx, "Page.navigate", params{"url": url}); err != nil {
		return nil, err
	}
	return p, p.Wait(ctx, `document.readyState === "complete" && location.href !== "about:blank"`)
}

// Show moves the page to another screen.
func (p *Page) Show(ctx context.Context, s Screen) error {
	scheme, scale := "light", 1
	if s.Dark {
		scheme = "dark"
	}
	if s.Phone {
		scale = 3
	}
	return errors.Join(
		p.do(ctx, "Emulation.setDeviceMetricsOverride", params{"width": s.Width, "height": s.Height, "deviceScaleFactor": scale, "mobile": s.Phone}),
		p.do(ctx, "Emulation.setEmulatedMedia", params{"features": []params{{"name": "prefers-color-scheme", "value": scheme}}}),
	)
}

// BringToFront puts the page in sight, and those in the other tabs out of it.
func (p *Page) BringToFront(ctx context.Context) error { return p.do(ctx, "Page.bringToFront", nil) }

func (p *Page) do(ctx context.Context, method string, in params) error {
	if in == nil {
		in = params{}
	}
	return p.browser.call(ctx, p.session, method, in, nil)
}

// Eval evaluates an expression, waits for it if it is a promise, and decodes its value unless out is nil.
func (p *Page) Eval(ctx context.Context, expression string, out any) error {
	var result struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *exception `json:"exceptionDetails"`
	}
	err := p.browser.call(ctx, p.session, "Runtime.evaluate", params{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &result)
	switch {
	case err != nil:
		return err
	case result.ExceptionDetails != nil:
		return fmt.Errorf("chromium: %s: %s %s", expression, result.ExceptionDetails.Text, result.ExceptionDetails.Exception.Description)
	case out == nil || result.Result.Value == nil:
		return nil
	}
	return json.Unmarshal(result.Result.Value, out)
}

// Wait waits until an expression is true.
func (p *Page) Wait(ctx context.Context, expression string) error {
	for {
		var is bool
		err := p.Eval(ctx, `new Promise((resolve) => {
			const end = performance.now() + 500;
			(function look() {
				const is = Boolean(`+expression+`);
				if (is || performance.now() > end) resolve(is); else setTimeout(look, 5);
			})();
		})`, &is)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("chromium: it never became true that %s: %w", expression, context.Cause(ctx))
		case err != nil && !strings.Contains(err.Error(), "context was destroyed") && !strings.Contains(err.Error(), "navigated"): // By loading.
			return err
		case is:
			return nil
		}
	}
}

// Click clicks in the middle of the element that a selector finds, as a mouse does.
func (p *Page) Click(ctx context.Context, selector string) error {
	var at struct{ X, Y float64 }
	err := p.Eval(ctx, `(() => {
		const element = document.querySelector(`+quoted(selector)+`);
		if (!element) throw new Error("there is no such element");
		element.scrollIntoView({block: "nearest", inline: "nearest"});
		const box = element.getBoundingClientRect(), at = {x: box.x + box.width / 2, y: box.y + box.height / 2};
		const hit = document.elementFromPoint(at.x, at.y);
		if (!hit || !element.contains(hit)) throw new Error("something else is in front of it: " + hit?.outerHTML.slice(0, 100));
		return at;
	})()`, &at)
	if err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		in := params{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if kind == "mouseMoved" {
			in = params{"type": kind, "x": at.X, "y": at.Y}
		}
		if err := p.do(ctx, "Input.dispatchMouseEvent", in); err != nil {
			return err
		}
	}
	return nil
}

// Type types a text into what has the focus.
func (p *Page) Type(ctx context.Context, text string) error {
	return p.do(ctx, "Input.insertText", params{"text": text})
}

// keys are those that [Page.Press] knows, and their codes.
var keys = map[string]int{"Enter": 13, "Tab": 9, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35, " ": 32}

// Press presses a key, such as "Enter".
func (p *Page) Press(ctx context.Context, key string) error {
	code, ok := keys[key]
	if !ok {
		return fmt.Errorf("chromium: there is no key %q", key)
	}
	down := params{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code}
	if text, ok := map[string]string{"Enter": "\r", " ": " "}[key]; ok {
		down["text"] = text
	}
	return errors.Join(
		p.do(ctx, "Input.dispatchKeyEvent", down),
		p.do(ctx, "Input.dispatchKeyEvent", params{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}),
	)
}

// ListMarkers are the numbers and bullets that the page shows before the items of lists, in order. No script can read them.
func (p *Page) ListMarkers(ctx context.Context) ([]string, error) {
	type value struct{ Value any }
	type node struct {
		ID         string `json:"nodeId"`
		Role, Name value
		Children   []string `json:"childIds"`
	}
	var tree struct{ Nodes []node }
	if err := p.browser.call(ctx, p.session, "Accessibility.getFullAXTree", nil, &tree); err != nil {
		return nil, err
	}
	byID := map[string]node{}
	for _, n := range tree.Nodes {
		byID[n.ID] = n
	}
	var markers []string
	var walk func(n node)
	walk = func(n node) {
		if name, ok := n.Name.Value.(string); ok && n.Role.Value == "ListMarker" {
			markers = append(markers, name)
		}
		for _, id := range n.Children {
			walk(byID[id])
		}
	}
	if len(tree.Nodes) > 0 {
		walk(tree.Nodes[0]) // the page itself
	}
	return markers, nil
}

// Screenshot is a picture of what is in sight, as a PNG.
func (p *Page) Screenshot(ctx context.Context) ([]byte, error) {
	var shot struct {
		Data []byte `json:"data"`
	}
	err := p.browser.call(ctx, p.session, "Page.captureScreenshot", params{"format": "png"}, &shot)
	return shot.Data, err
}

// Problems are the errors and warnings of the page's console, and the requests that have failed.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// URLs are those that the page has asked for.
func (p *Page) URLs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.urls)
}

// exception is what a script threw.
type exception struct {
	Text      string `json:"text"`
	Exception struct {
		Description string `json:"description"`
	} `json:"exception"`
}

// notice keeps what the browser tells about the page.
func (p *Page) notice(method string, raw json.RawMessage) {
	var e struct {
		RequestID string `json:"requestId"`
		Type      string `json:"type"`
		Args      []struct {
			Value       any    `json:"value"`
			Description string `json:"description"`
		} `json:"args"`
		ExceptionDetails exception `json:"exceptionDetails"`
		Entry            struct {
			Level string `json:"level"`
			Text  string `json:"text"`
			URL   string `json:"url"`
		} `json:"entry"`
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
		Response struct {
			Status int `json:"status"`
		} `json:"response"`
		ErrorText string `json:"errorText"`
		Canceled  bool   `json:"canceled"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return // An event of another shape, which is none of ours.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	problem := func(format string, args ...any) { p.problems = append(p.problems, fmt.Sprintf(format, args...)) }
	switch {
	case method == "Runtime.consoleAPICalled" && (e.Type == "error" || e.Type == "warning" || e.Type == "assert"):
		problem("console.%s: %v", e.Type, e.Args)
	case method == "Runtime.exceptionThrown":
		problem("%s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
	case method == "Log.entryAdded" && (e.Entry.Level == "error" || e.Entry.Level == "warning"):
		problem("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case method == "Network.requestWillBeSent":
		p.byID[e.RequestID] = e.Request.URL
		p.urls = append(p.urls, e.Request.URL)
	case method == "Network.responseReceived" && e.Response.Status >= 400:
		problem("%d: %s", e.Response.Status, p.byID[e.RequestID])
	case method == "Network.loadingFailed" && !e.Canceled:
		problem("%s: %s", e.ErrorText, p.byID[e.RequestID])
	}
}

// quoted is a text as a JavaScript literal.
func quoted(text string) string {
	b, _ := json.Marshal(text) // A text always has a JSON.
	return string(b)
}
