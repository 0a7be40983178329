package botpresstest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
)

// filesOf returns a client of an installation, or of the bot if there is none.
func filesOf(t *testing.T, a *acme, in *botpresstest.Installation) *botpress.Client {
	t.Helper()
	opts := botpress.Options{
		BaseURL: a.server.URL, Token: a.server.Token, BotID: a.server.BotID, HTTPClient: a.client, Retry: botpress.Retry{Max: -1},
	}
	if in != nil {
		opts.IntegrationID, opts.IntegrationAlias = in.IntegrationID, in.Alias
	}
	c, err := botpress.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fetch gets what is at a URL.
func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	return res.Header.Get("Content-Type") + " " + string(data)
}

func keys(t *testing.T, c *botpress.Client, p botpress.ListFilesParams) string {
	t.Helper()
	var all []string
	for f, err := range c.ListFiles(t.Context(), p) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Key)
	}
	return strings.Join(all, " ")
}

func TestFiles(t *testing.T) {
	inBubble(t, botpresstest.Options{PageSize: 2, ClockSkew: time.Hour, Middleware: conforming(t)}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		ctx, its, bots := t.Context(), filesOf(t, a, in), filesOf(t, a, nil)
		must := func(f botpress.File, err error) botpress.File {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		seen := func(f botpress.File) string {
			t.Helper()
			f = must(its.GetFile(ctx, f.ID))
			return fmt.Sprint(f.Status, " ", f.Size)
		}

		// A public file is at its URL for good, once it is processed.
		logo := must(its.UploadFile(ctx, botpress.UpsertFileParams{
			Key: "acme/logo.png", AccessPolicies: []botpress.AccessPolicy{botpress.PublicContent}, Tags: botpress.Tags{"kind": "logo"}, Index: true,
		}, []byte("PNG")))
		got := []string{seen(logo), fetch(t, a.client, logo.URL)}
		<-time.After(time.Second)
		got = append(got, seen(logo), fetch(t, a.client, logo.URL))
		<-time.After(time.Second)
		got = append(got, seen(logo))
		<-time.After(400 * day)
		got = append(got, fetch(t, a.client, logo.URL))
		want := []string{"upload_pending 0", "403", "indexing_pending 3", "image/png PNG", "indexing_completed 3", "image/png PNG"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a public file (-want +got):\n%s", diff)
		}

		// It need not be waited for.
		now := must(its.UploadFile(ctx, botpress.UpsertFileParams{
			Key: "now.txt", ContentType: "text/plain", AccessPolicies: []botpress.AccessPolicy{botpress.PublicContent}, PublicContentImmediatelyAccessible: true,
		}, []byte("now")))
		if got := fetch(t, a.client, now.URL); got != "text/plain now" {
			t.Errorf("a file that is public immediately: %s", got)
		}

		// Any other has a URL for some minutes only.
		notes := must(bots.UpsertFile(ctx, botpress.UpsertFileParams{
			Key: "notes", Size: 5, Metadata: []byte(`{"by":"me"}`), ExpiresAt: time.Now().Add(2 * time.Hour), // In an hour, by Botpress' clock.
		}))
		if got := fetch(t, a.client, notes.URL); got != "404" {
			t.Errorf("a file without content: %s", got)
		}
		notes = must(bots.UploadFile(ctx, botpress.UpsertFileParams{Key: "notes", Metadata: []byte(`{"by":"me"}`), ExpiresAt: notes.ExpiresAt}, []byte("notes")))
		got = []string{fetch(t, a.client, notes.URL), fetch(t, a.client, strings.Replace(notes.URL, "expires=", "expires=9", 1)), fetch(t, a.client, notes.URL[:strings.Index(notes.URL, "?")])}
		<-time.After(15 * time.Minute)
		got = append(got, fetch(t, a.client, notes.URL), fetch(t, a.client, must(bots.GetFile(ctx, notes.ID)).URL))
		if diff := cmp.Diff([]string{"application/octet-stream notes", "403", "403", "403", "application/octet-stream notes"}, got); diff != "" {
			t.Errorf("a file that is not public (-want +got):\n%s", diff)
		}

		// Others see what is shared with them, and change nothing.
		if _, err := its.GetFile(ctx, notes.ID); !errors.Is(err, botpress.ErrNotFound) {
			t.Errorf("the integration reads a file of the bot: %v", err)
		}
		notes = must(bots.UpdateFileMetadata(ctx, notes.ID, botpress.UpdateFileMetadataParams{
			AccessPolicies: []botpress.AccessPolicy{botpress.SharedIntegrations}, Tags: botpress.Removable{"a": "1", "b": "2"},
		}))
		if f := must(its.GetFile(ctx, notes.ID)); f.Owner.Type != "bot" || f.Owner.ID != a.server.BotID || string(f.Metadata) != `{"by":"me"}` {
			t.Errorf("the shared file is %+v", f)
		}
		if err := its.DeleteFile(ctx, notes.ID); !errors.Is(err, botpress.ErrForbidden) {
			t.Errorf("the integration deletes a file of the bot: %v", err)
		}
		if _, err := its.UpdateFileMetadata(ctx, notes.ID, botpress.UpdateFileMetadataParams{}); !errors.Is(err, botpress.ErrForbidden) {
			t.Errorf("the integration changes a file of the bot: %v", err)
		}
		same := must(its.UpsertFile(ctx, botpress.UpsertFileParams{Key: "notes", Size: 1}))
		if same.ID == notes.ID || same.Owner.Alias != in.Alias {
			t.Errorf("the integration's file of the same key is %+v", same)
		}
		notes = must(bots.UpdateFileMetadata(ctx, notes.ID, botpress.UpdateFileMetadataParams{
			Tags: botpress.Removable{"a": ""}, Metadata: []byte(`{"by":"you"}`),
		}))
		if diff := cmp.Diff(botpress.Tags{"b": "2"}, notes.Tags); diff != "" || string(notes.Metadata) != `{"by":"you"}` || notes.ExpiresAt.IsZero() {
			t.Errorf("the changed file is %+v", notes)
		}

		// Lists.
		for _, row := range []struct {
			of   *botpress.Client
			p    botpress.ListFilesParams
			want string
		}{
			{its, botpress.ListFilesParams{}, "notes notes now.txt acme/logo.png"},
			{bots, botpress.ListFilesParams{SortField: botpress.SortFilesByKey, SortDirection: botpress.Ascending}, "acme/logo.png notes notes now.txt"},
			{bots, botpress.ListFilesParams{SortField: botpress.SortFilesBySize, IDs: []string{logo.ID, same.ID}}, "acme/logo.png notes"},
			{bots, botpress.ListFilesParams{SortField: botpress.SortFilesByUpdatedAt, IDs: []string{same.ID, now.ID}}, "notes now.txt"},
			{bots, botpress.ListFilesParams{Tags: botpress.Tags{"kind": "logo"}}, "acme/logo.png"},
			{bots, botpress.ListFilesParams{Indexed: botpress.Set(true)}, "acme/logo.png"},
			{bots, botpress.ListFilesParams{Indexed: botpress.Set(false), PageSize: 1}, "notes notes now.txt"},
		} {
			if got := keys(t, row.of, row.p); got != row.want {
				t.Errorf("%+v lists %q, want %q", row.p, got, row.want)
			}
		}

		// A file is replaced by its key, and its content is gone.
		again := must(its.UpsertFile(ctx, botpress.UpsertFileParams{Key: "now.txt", Size: 4}))
		if again.ID != now.ID || len(again.Tags) != 0 || again.Status != botpress.UploadPending {
			t.Errorf("the replaced file is %+v", again)
		}
		if got := fetch(t, a.client, again.URL); got != "404" {
			t.Errorf("the replaced file: %s", got)
		}
		byStatus := botpress.ListFilesParams{SortField: botpress.SortFilesByStatus, SortDirection: botpress.Ascending, IDs: []string{again.ID, notes.ID}}
		if got := keys(t, bots, byStatus); got != "notes now.txt" {
			t.Errorf("by status, there are %q", got)
		}
		if err := its.DeleteFile(ctx, logo.ID); err != nil {
			t.Fatal(err)
		}
		if got := fetch(t, a.client, logo.URL); got != "403" {
			t.Errorf("the deleted file: %s", got)
		}

		// The bot's file expires.
		<-time.After(45*time.Minute - 1)
		if got := keys(t, bots, botpress.ListFilesParams{IDs: []string{notes.ID}}); got != "notes" {
			t.Errorf("before it expires, there is %q", got)
		}
		<-time.After(1)
		if got := keys(t, bots, botpress.ListFilesParams{IDs: []string{notes.ID}}); got != "" {
			t.Errorf("when it has expired, there is %q", got)
		}
	})
}

// TestUploadRefuses: the storage takes only what was announced.
func TestUploadRefuses(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		c := filesOf(t, a, in)
		announce := func() string {
			f, err := c.UpsertFile(t.Context(), botpress.UpsertFileParams{Key: "a", Size: 3, ContentType: "text/plain", PublicContentImmediatelyAccessible: true})
			if err != nil {
				t.Fatal(err)
			}
			return string(f.UploadURL)
		}
		old := announce()
		url := announce()
		put := func(url, content string, header ...string) int {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			for pair := range slices.Chunk(header, 2) {
				req.Header.Set(pair[0], pair[1])
			}
			res, err := a.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			return res.StatusCode
		}
		const kind, tagging = "Content-Type", "x-amz-tagging"
		got := []int{
			put(old, "abc", kind, "text/plain", tagging, "public=true"),
			put(url, "abcd", kind, "text/plain", tagging, "public=true"),
			put(url, "abc", kind, "text/html", tagging, "public=true"),
			put(url, "abc", kind, "text/plain"),
			put(url, "abc", kind, "text/plain", tagging, "public=true", "Authorization", "Bearer "+a.server.Token),
			put(url, "abc", kind, "text/plain", tagging, "public=true"),
			put(url, "xyz", kind, "text/plain", tagging, "public=true"), // A retry.
		}
		<-time.After(15 * time.Minute)
		got = append(got, put(url, "abc", kind, "text/plain", tagging, "public=true"))
		if diff := cmp.Diff([]int{403, 403, 403, 403, 400, 200, 200, 403}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		for f, err := range c.ListFiles(t.Context(), botpress.ListFilesParams{}) {
			if got := fetch(t, a.client, f.URL); err != nil || got != "text/plain xyz" {
				t.Errorf("the content is %q (%v)", got, err)
			}
		}
	})
}

func TestFilesRefuse(t *testing.T) {
	a, in := installAcme(t, &botpresstest.Options{Middleware: checked(t)}, botpresstest.Integration{})
	c := newAPI(t, a, in)
	long := strings.Repeat("é", 1001)
	for _, row := range []struct {
		call   string
		status int
		kind   any
	}{
		{`PUT /v1/files {"key":"a","size":1}`, 200, nil},
		{`PUT /v1/files {"key":"a"}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"","size":1}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"` + long + `","size":1}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":-1}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1.5}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":10485761}`, 413, "PayloadTooLarge"},
		{`PUT /v1/files {"key":"a","size":1,"name":"b"}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"tags":{"x":"` + long + `"}}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"tags":{"x":null}}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"accessPolicies":["everybody"]}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"metadata":7}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"indexing":{}}`, 400, "InvalidPayload"},
		{`PUT /v1/files {"key":"a","size":1,"expiresAt":"soon"}`, 400, "InvalidPayload"},
		{`PUT /v1/files/{file} {"expiresAt":null,"tags":{"x":null}}`, 200, nil},
		{`PUT /v1/files/{file} {"key":"b"}`, 400, "InvalidPayload"},
		{`PUT /v1/files/file_00000000000000000000000000 {}`, 404, "ResourceNotFound"},
		{`DELETE /v1/files/file_00000000000000000000000000`, 404, "ResourceNotFound"},
		{`GET /v1/files?sortField=name`, 400, "InvalidQuery"},
		{`GET /v1/files?sortDirection=up`, 400, "InvalidQuery"},
		{`GET /v1/files?indexed=maybe`, 400, "InvalidQuery"},
		{`GET /v1/files?ids=` + strings.Repeat("x&ids=", 50), 400, "InvalidQuery"},
		{`GET /v1/files?name=a`, 400, "InvalidQuery"},
	} {
		status, answer := c.do(row.call)
		if status != row.status || answer["type"] != row.kind {
			t.Errorf("%.100s: %d %v, want %d %v", row.call, status, answer, row.status, row.kind)
		}
	}
}

// TestFilesAreBounded: neither their number nor their size grows for ever.
func TestFilesAreBounded(t *testing.T) {
	a, in := installAcme(t, nil, botpresstest.Integration{})
	c := filesOf(t, a, in)
	fill := func(prefix string, size int64) (n int) {
		t.Helper()
		for ; n < 2000; n++ {
			_, err := c.UpsertFile(t.Context(), botpress.UpsertFileParams{Key: fmt.Sprint(prefix, n), Size: size})
			var refusal *botpress.Error
			if errors.As(err, &refusal) && refusal.Type == botpress.TypeQuotaExceeded {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if large, small := fill("large", 10<<20), fill("small", 0); large != 25 || small != 975 {
		t.Errorf("%d large files and %d small ones, want 25 and 975", large, small)
	}
	if _, err := c.UpsertFile(t.Context(), botpress.UpsertFileParams{Key: "large7", Size: 10 << 20}); err != nil {
		t.Errorf("a file cannot be replaced: %v", err)
	}
}
