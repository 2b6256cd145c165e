package edge

import (
	"context"
	"testing"
	"time"
)

// What a client sent besides its requests, or how it cut a body into pieces, must not make an idle connection look like
// one on which a request has begun: draining would wait for the rest of it.
func TestDrainKnowsIdleConnections(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a.example\r\n"
	tests := []struct {
		name    string
		sent    string
		invited string // what is sent once a 100 has come
		replies int
	}{
		{name: "nothing else", sent: get("a.example", "/"), replies: 1},
		{name: "an empty line before the request", sent: "\r\n" + get("a.example", "/"), replies: 1},
		{name: "many empty lines", sent: "\r\n\n\r\n\r\n\r\n\r\n" + get("a.example", "/"), replies: 1},
		{name: "an empty line after a body", sent: post + "Content-Length: 3\r\n\r\nabc\r\n", replies: 1},
		{name: "an empty line between requests", sent: post + "Content-Length: 3\r\n\r\nabc\r\n" + get("a.example", "/"), replies: 2},
		{
			name: "a body of its own", replies: 1,
			sent: post + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", invited: "abc",
		},
		{
			name: "a chunked body of its own", replies: 1,
			sent: post + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", invited: "3\r\nabc\r\n0\r\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.add("a.example", text("page"))
			r := start(t, w, Options{DrainGrace: 20 * time.Millisecond})
			c := r.dial(t).send(tt.sent)
			if tt.invited != "" {
				if got := c.mustRead(); got.status != "100 Continue" {
					t.Fatalf("%+v instead of an invitation", got)
				}
				c.send(tt.invited)
			}
			for range tt.replies {
				c.mustRead()
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := r.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			c.mustEnd()
		})
	}
}

// RFC 9112 section 9.6: the close option ends the connection, however it is spelled and whatever it is listed with.
func TestConnectionClose(t *testing.T) {
	tests := []struct {
		name, fields string
		closes       bool
	}{
		{"close", "Connection: close\r\n", true},
		{"Close", "Connection: Close\r\n", true},
		{"in a list", "Connection: TE, close\r\n", true},
		{"before others", "Connection: close , TE\r\n", true},
		{"in one of two lines", "Connection: close\r\nConnection: TE\r\n", true},
		{"keep-alive", "Connection: keep-alive\r\n", false},
		{"part of another option", "Connection: closed, un-close\r\n", false},
		{"none", "", false},
	}
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(t, w, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, host := range []string{"a.example", "unknown.example"} {
				c := r.dial(t).send("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + tt.fields + "\r\n")
				got := c.mustRead()
				if v, _ := got.field("Connection"); (v == "close") != tt.closes {
					t.Errorf("%s: Connection: %q", host, v)
				}
				if tt.closes {
					c.mustEnd()
				} else {
					c.send(get(host, "/")).mustRead()
				}
			}
		})
	}
}
