package explain

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"berth/assets"
	"berth/store"
)

// maxHeaders bounds the fields of a question.
const maxHeaders = 64

// ErrRequest says that no client could send what is asked about.
var ErrRequest = errors.New("not a request")

// Question is a request that is to be explained.
type Question struct {
	URL     string
	At      store.Revision // 0: now
	Method  string         // "": GET
	Headers []string       // fields, each as "Name: value"
}

// asked is a question that makes sense.
type asked struct {
	request      assets.Request
	deploymentID string   // X-Deployment-Id, which skew protection looks at
	purpose      string   // Sec-Purpose, so too
	unheard      []string // names of fields that have no say in an answer
}

// parse makes the planner's request of a question, all but its host.
func (q *Question) parse(u *url.URL) (*asked, error) {
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	if !httpguts.ValidHeaderFieldName(method) { // both are tokens
		return nil, fmt.Errorf("%w: the method is %.40q", ErrRequest, method)
	}
	if len(q.Headers) > maxHeaders {
		return nil, fmt.Errorf("%w: %d header fields, want at most %d", ErrRequest, len(q.Headers), maxHeaders)
	}
	a := &asked{request: assets.Request{Method: method, Target: u.RequestURI(), Scheme: u.Scheme, Port: port(u)}}
	for _, line := range q.Headers {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("%w: the header field is %.80q, want \"Name: value\"", ErrRequest, line)
		}
		a.take(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	return a, nil
}

// port is what the URL says, unless that is its scheme's own.
func port(u *url.URL) string {
	switch p := u.Port(); {
	case u.Scheme == "http" && p == "80", u.Scheme == "https" && p == "443":
		return ""
	default:
		return p
	}
}

// take sets what the planner is told of a field. Several lines of one name are one list (RFC 9110 §5.3), of cookies too (RFC 9113
// §8.2.3).
func (a *asked) take(name, value string) {
	r := &a.request
	to := map[string]*string{
		"Accept-Encoding": &r.AcceptEncoding, "If-None-Match": &r.IfNoneMatch, "If-Match": &r.IfMatch,
		"If-Modified-Since": &r.IfModifiedSince, "If-Range": &r.IfRange, "Range": &r.Range,
		"Sec-Fetch-Dest": &r.SecFetchDest, "Sec-Fetch-Mode": &r.SecFetchMode, "Cookie": &r.Cookie,
		"X-Deployment-Id": &a.deploymentID, "Sec-Purpose": &a.purpose,
	}[name]
	switch {
	case name == "Authorization":
		r.Authorization = true
	case to == nil:
		a.unheard = append(a.unheard, name)
	case *to == "":
		*to = value
	case name == "Cookie":
		*to += "; " + value
	default:
		*to += ", " + value
	}
}
