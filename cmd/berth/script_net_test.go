package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"
)

// cmdDNS answers TXT questions from a file of lines "name text", read for each question, and sets DNS to its address.
func cmdDNS(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dns FILE")
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	ts.Setenv("DNS", conn.LocalAddr().String())
	path := ts.MkAbs(args[0])
	go func() {
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if answer, err := answerDNS(buf[:n], path); err == nil {
				_, _ = conn.WriteTo(answer, peer)
			}
		}
	}()
}

func answerDNS(question []byte, path string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, errors.New("not a question")
	}
	q := m.Questions[0]
	m.Header.Response, m.Header.Authoritative = true, true
	m.Additionals = nil
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if q.Type == dnsmessage.TypeTXT && name+"." == q.Name.String() {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.TXTResource{TXT: []string{value}},
			})
		}
	}
	return m.Pack()
}

// cmdHold leaves an API call half sent until the script ends, so that a drain has something to wait for; `hold drained`
// then waits until the sites' listener is closed, which is when the drain is under way.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case neg || len(args) > 1:
		ts.Fatalf("usage: hold [drained]")
	case len(args) == 1:
		poll(ts, "wait for the drain", func() bool {
			conn, err := net.Dial("tcp", ts.Getenv("HTTP"))
			if err == nil {
				_ = conn.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
		return
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(ts.Getenv("BERTH_API"), "http://"))
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	token, err := os.ReadFile(filepath.Join(ts.Getenv("DATA"), adminTokenFile))
	ts.Check(err)
	_, err = io.WriteString(conn, "POST /client/v4/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+strings.TrimSpace(string(token))+
		"\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	ts.Check(err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	ts.Check(err)
	if !strings.Contains(line, "100") {
		ts.Fatalf("half a call was answered with %q", line)
	}
}
