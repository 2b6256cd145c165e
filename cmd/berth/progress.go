package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"berth/cmd/berth/publish"
)

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 2 * time.Second
	// rateWindow is over how long the rate is measured: long enough to be calm, short enough to notice a stall.
	rateWindow = 5 * time.Second
	narrowest  = 40
)

// progress tells how an upload goes: one line that is rewritten on a terminal, a line now and then elsewhere, and
// nothing but warnings with --json. It writes to standard error.
type progress struct {
	w     io.Writer
	width func() int // 0: no terminal
	quiet bool
	now   func() time.Time

	mu              sync.Mutex // guards all below
	files, allFiles int
	bytes, allBytes int64
	active          bool
	drawn           bool // a bar stands on the last line
	last            time.Time
	samples         []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

func (a *app) newProgress() *progress {
	return &progress{w: a.stderr, width: terminalWidth(a.stderr), quiet: a.json, now: time.Now}
}

func terminalWidth(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return func() int { return 0 }
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80
		}
		return max(width, narrowest)
	}
}

// Step writes a line, above the bar if there is one.
func (p *progress) Step(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.w, printable(line))
	if p.active && p.width() > 0 && !p.quiet {
		p.draw()
	}
}

func (p *progress) Uploading(files int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files, p.allFiles, p.bytes, p.allBytes, p.active = 0, files, 0, bytes, true
	p.last = p.now()
	p.samples = []sample{{p.last, 0}}
}

func (p *progress) Sent(files int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files += files
	p.bytes += bytes
	every := lineEvery
	if p.width() > 0 {
		every = barEvery
	}
	if now := p.now(); !p.quiet && now.Sub(p.last) >= every {
		p.last = now
		p.sample(now)
		p.draw()
	}
}

func (p *progress) Uploaded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet {
		p.sample(p.now())
		p.draw()
		if p.drawn {
			fmt.Fprintln(p.w)
		}
	}
	p.drawn, p.active = false, false
}

func (p *progress) sample(now time.Time) {
	p.samples = append(p.samples, sample{now, p.bytes})
	for len(p.samples) > 2 && now.Sub(p.samples[1].at) >= rateWindow {
		p.samples = p.samples[1:]
	}
}

func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *progress) draw() {
	text := p.text()
	width := p.width()
	if width == 0 {
		fmt.Fprintln(p.w, "uploaded "+text)
		return
	}
	p.erase()
	if room := width - len(text) - 4; room >= 10 {
		full := 0
		if p.allBytes > 0 {
			full = min(int(p.bytes*int64(room)/p.allBytes), room)
		}
		text = "[" + strings.Repeat("=", max(full, 0)) + strings.Repeat(" ", room-max(full, 0)) + "] " + text
	}
	fmt.Fprint(p.w, text[:min(len(text), width-1)])
	p.drawn = true
}

// text is files, bytes, rate and the time that is left.
func (p *progress) text() string {
	s := fmt.Sprintf("%d/%d files, %s of %s", p.files, p.allFiles, publish.Bytes(max(p.bytes, 0)), publish.Bytes(p.allBytes))
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return s
	}
	rate := float64(last.bytes-first.bytes) / took
	s += fmt.Sprintf(", %s/s", publish.Bytes(int64(max(rate, 0))))
	if left := p.allBytes - p.bytes; left > 0 && rate > 0 {
		s += fmt.Sprintf(", %s left", (time.Duration(float64(left)/rate) * time.Second).Round(time.Second))
	}
	return s
}
