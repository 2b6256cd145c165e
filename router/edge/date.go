package edge

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// dateLen is the length of an IMF-fixdate (RFC 9110 section 5.6.7).
const dateLen = len("Sun, 06 Nov 1994 08:49:37 GMT")

// dates gives the value of the Date field, formatted once a second.
type dates struct {
	last atomic.Pointer[dateText]
}

type dateText struct {
	second int64
	text   []byte
}

// put writes the date over the beginning of dst.
func (d *dates) put(dst []byte, now time.Time) {
	second := now.Unix()
	t := d.last.Load()
	if t == nil || t.second != second {
		t = &dateText{second, fasthttp.AppendHTTPDate(make([]byte, 0, dateLen), now)}
		d.last.Store(t)
	}
	copy(dst[:dateLen], t.text)
}
