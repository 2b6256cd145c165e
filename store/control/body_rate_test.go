package control

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// deadlineWriter gives a ResponseController the deadline of a connection.
type deadlineWriter struct {
	http.ResponseWriter
	conn net.Conn
}

func (w deadlineWriter) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

func TestBodyRate(t *testing.T) {
	const timeout, rate = time.Minute, 1 << 10
	for name, tt := range map[string]struct {
		piece, pieces int
		every         time.Duration // between pieces
		work          time.Duration // of the reader, for each read
		want          string        // of the refusal, "": none
		after         time.Duration
	}{
		"a byte now and then":  {piece: 1, pieces: 1000, every: 50 * time.Second, want: "too slowly: 2 bytes in 1m0", after: timeout},
		"just under the rate":  {piece: rate - 1, pieces: 1 << 20, every: time.Second, want: "less than 1024 bytes a second (--min-body-rate)", after: 16 * time.Hour},
		"at the rate":          {piece: rate, pieces: 1000, every: time.Second},
		"late, then at once":   {piece: 1 << 20, pieces: 2, every: timeout - time.Second},
		"nothing more":         {piece: 1 << 20, pieces: 2, every: timeout + time.Second, want: "no byte of the request body came for 1m0s (after 1048576 bytes)", after: timeout},
		"read slowly":          {piece: rate, pieces: 100, work: time.Hour},
		"slow after much came": {piece: 100 * rate, pieces: 50, every: timeout - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				var sending sync.WaitGroup
				defer sending.Wait()
				defer here.Close()
				sending.Go(func() {
					defer there.Close()
					for range tt.pieces {
						if _, err := there.Write(make([]byte, tt.piece)); err != nil {
							return
						}
						time.Sleep(tt.every)
					}
				})
				w := deadlineWriter{httptest.NewRecorder(), here}
				b := &body{src: here, rc: http.NewResponseController(w), timeout: timeout, rate: rate, limit: 1 << 40, what: "a test"}
				began := time.Now()
				_, err := io.Copy(io.Discard, working{b, tt.work})
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Status != http.StatusRequestTimeout || e.Code != codeSlow || !strings.Contains(e.Message, tt.want) {
					t.Fatalf("%v, want %q", err, tt.want)
				}
				if took := time.Since(began); took < tt.after {
					t.Errorf("refused after %v", took)
				}
			})
		})
	}
}

// working is a reader that takes its time over what it reads.
type working struct {
	io.Reader
	work time.Duration
}

func (w working) Read(p []byte) (int, error) {
	time.Sleep(w.work)
	return w.Reader.Read(p)
}
