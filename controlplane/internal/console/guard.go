package console

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/fault"
)

// policy lets a page load what this server embeds and nothing else: no inline script, no inline style, no other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every page carries.
func headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		header := ec.Response().Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		return next(ec)
	}
}

const (
	csrfField  = "csrf"
	csrfHeader = "X-CSRF-Token"
	csrfCookie = "tollgate_csrf"
	csrfKey    = "console.csrf"
)

// sameOrigin refuses a change that did not come from a page of this console. Three proofs must agree as far as the browser gives
// them: Sec-Fetch-Site, Origin, and the token of the form or of htmx's header against the cookie.
func (c *Console) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		token := c.csrfToken(ec)
		ec.Set(csrfKey, token)
		request := ec.Request()
		if request.Method == http.MethodGet || request.Method == http.MethodHead {
			return next(ec)
		}
		if request.ContentLength > formBytesMax {
			return c.visit(func(*visit) error {
				return fault.New(fault.Invalid, "what was sent is larger than %d KiB; send it in parts", formBytesMax>>10)
			}, false)(ec)
		}
		request.Body = http.MaxBytesReader(ec.Response(), request.Body, formBytesMax)
		if !cameFromHere(request) || !sent(request, token) {
			return c.visit(func(*visit) error {
				return fault.New(fault.Forbidden, "the form was not sent from a page of this console, or the page was open for too long")
			}, false)(ec)
		}
		return next(ec)
	}
}

func cameFromHere(request *http.Request) bool {
	if site := request.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := request.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	return err == nil && from.Host == request.Host
}

func sent(request *http.Request, token string) bool {
	got := request.Header.Get(csrfHeader)
	if got == "" {
		got = request.PostFormValue(csrfField)
	}
	return len(token) > 0 && subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1
}

// csrfToken returns the browser's token, giving it one when it has none.
func (c *Console) csrfToken(ec echo.Context) string {
	if cookie, err := ec.Cookie(csrfCookie); err == nil && len(cookie.Value) == 43 {
		return cookie.Value
	}
	return c.renewCSRF(ec)
}

func (c *Console) renewCSRF(ec echo.Context) string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	ec.SetCookie(c.cookie(csrfCookie, token, 0))
	return token
}

// cookie returns a cookie of the console; seconds 0: until the browser closes, below 0: remove it.
func (c *Console) cookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: c.config.Secure, SameSite: http.SameSiteLaxMode}
}
