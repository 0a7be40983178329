//go:build !profile

package debug

import "net/http"

func profile(*http.ServeMux) {}
