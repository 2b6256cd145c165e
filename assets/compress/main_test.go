package compress

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"berth/assets/httpsem"
)

// childMark as the first argument makes the test binary a worker, or one that misbehaves.
const childMark = "encode-worker-of-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childMark {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

func child(kind string, args []string) int {
	switch kind {
	case "serve":
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case "crash-once": // leaves a mark in the file system
		if f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			return crash()
		}
		return child("serve", nil)
	case "crash":
		return crash()
	case "flood":
		p := partWriter{w: os.Stdout, buf: make([]byte, partHeader, partHeader+maxPart)}
		for {
			if _, err := p.Write(make([]byte, 1000)); err != nil {
				return 1
			}
		}
	case "babble":
		fmt.Print("Usage: what is this?\n")
		select {}
	case "give-up":
		p := partWriter{w: os.Stdout, buf: make([]byte, partHeader, partHeader+maxPart)}
		if err := p.finish(partFailed, "cannot do that"); err != nil {
			return 1
		}
	case "hang": // says that it is there, and neither answers nor reads
		if _, err := net.Dial("unix", args[0]); err != nil {
			return 1
		}
		select {}
	case "parent": // of one that hangs
		p, err := NewPool(Options{Command: childCommand("hang", args...)})
		if err != nil {
			return 1
		}
		if err := p.Encode(context.Background(), io.Discard, endless{}, 1<<40, httpsem.Gzip); err != nil {
			return 1
		}
	case "priority":
		return reportPriority()
	case "weight":
		return reportWeight()
	case "environment":
		fmt.Fprint(os.Stderr, os.Environ())
		return 3
	}
	return 0
}

// crash is in the middle of a job: it has read some of it, and answered some.
func crash() int {
	var b [jobHeader + 1]byte
	if _, err := io.ReadFull(os.Stdin, b[:]); err != nil {
		return 1
	}
	p := partWriter{w: os.Stdout, buf: make([]byte, partHeader, partHeader+maxPart)}
	p.buf = append(p.buf, "the beginning"...)
	if err := p.flush(partData); err != nil {
		return 1
	}
	fmt.Fprint(os.Stderr, "out of paper")
	return 7
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func childCommand(kind string, args ...string) []string {
	command, err := SelfCommand(append([]string{childMark, kind}, args...)...)
	if err != nil {
		panic(err)
	}
	return command
}
