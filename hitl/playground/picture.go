package playground

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxPicture is how much of a picture is served, in bytes.
const maxPicture = 10 << 20

// servePicture fetches a picture from a desk on this computer. The page itself loads nothing from elsewhere. The name says what it
// is if the desk does not.
func (p *playground) servePicture(w http.ResponseWriter, r *http.Request) {
	address, err := url.Parse(r.FormValue("url"))
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || !loopback(address.Hostname()) {
		refuse(w, http.StatusBadRequest, errors.New("only pictures on this computer are fetched"))
		return
	}
	get, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address.String(), nil) //nolint:gosec // It is on this computer.
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	res, err := p.client.Transport.RoundTrip(get) // It follows no redirects to other computers.
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	defer res.Body.Close()
	kind := pictureType(res.Header.Get("Content-Type"), r.FormValue("name"))
	if res.StatusCode != http.StatusOK || kind == "" {
		refuse(w, http.StatusBadGateway, fmt.Errorf("this is no picture: %s, %s", res.Status, res.Header.Get("Content-Type")))
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = io.Copy(w, io.LimitReader(res.Body, maxPicture)) // The page shows a broken picture if this fails.
}

// pictureType is the type of a picture, empty for anything else.
func pictureType(said, name string) string {
	if strings.HasPrefix(said, "image/") {
		return said
	}
	return map[string]string{
		".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml",
	}[strings.ToLower(path.Ext(name))]
}
