package functions

import (
	"bytes"
	"log/slog"
	"time"
)

const (
	maxLine        = 4 << 10
	linesPerSecond = 50 // that functions and workerd may write into the server's log together
)

// output passes on what workerd and the functions say, line by line, to the server's log. It takes everything, or they would be held
// up; what is too much is left out and counted.
type output struct {
	log *slog.Logger

	line   []byte
	second int64
	lines  int
	unsaid int
}

func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, more, ended := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(o.line); room > 0 {
			o.line = append(o.line, line[:min(room, len(line))]...)
		}
		if ended {
			o.say()
		}
		rest = more
	}
	return len(p), nil
}

func (o *output) say() {
	defer func() { o.line = o.line[:0] }()
	if len(o.line) == 0 {
		return
	}
	if now := time.Now().Unix(); now != o.second {
		o.second, o.lines = now, 0
	}
	if o.lines++; o.lines > linesPerSecond {
		o.unsaid++
		return
	}
	o.log.Debug("functions say", "text", string(o.line), "unsaid", o.unsaid)
	o.unsaid = 0
}
