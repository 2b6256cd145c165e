// Package load asks a server for files: with wrk, and with a generator of its own where wrk cannot do what is wanted.
package load

import "strings"

// Headers names how much a request says.
type Headers string

const (
	// Browser is what a browser sends for a picture of a page: 12 fields, about 900 bytes, a third of it a cookie.
	Browser Headers = "browser"
	// Bare is a request line and a Host.
	Bare Headers = "bare"
)

// template is the request for a path, with HOST in the place of the host.
func (h Headers) template(path string) string {
	line := "GET " + path + " HTTP/1.1\r\nHost: HOST\r\n"
	if h == Bare {
		return line + "\r\n"
	}
	return line + "Connection: keep-alive\r\n" +
		"sec-ch-ua: \"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"\r\nsec-ch-ua-platform: \"Linux\"\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
		"Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\n" +
		"Referer: http://HOST/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n" +
		"Cookie: theme=dark; consent=" + strings.Repeat("abcdef0123456789", 21) + "\r\n\r\n"
}

// Request is the request for a path on a host.
func (h Headers) Request(path, host string) string {
	return strings.ReplaceAll(h.template(path), "HOST", host)
}
