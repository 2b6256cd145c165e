package edge

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"

	"berth/router/hostkey"
	"berth/store"
)

func mustPins(t testing.TB, secret byte, maxAge time.Duration) *pins {
	t.Helper()
	p, err := newPins([32]byte{secret}, maxAge)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// give is the value of a pin that is given out.
func (p *pins) give(host hostkey.Host, no store.DeploymentNo, now time.Time) string {
	text := string(p.appendCookie(nil, host, no, now, false))
	pair, _, _ := strings.Cut(text, ";")
	return strings.TrimPrefix(pair, pinCookie+"=")
}

// pinByDefinition makes a pin from its description.
func pinByDefinition(secret byte, host string, no, expiry uint64) string {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, no), expiry)
	key := [32]byte{secret}
	h, _ := blake3.NewKeyed(key[:])
	_, _ = h.WriteString("berth_pin 1\x00" + string(b) + host)
	return base64.RawURLEncoding.EncodeToString(append(b, h.Sum(nil)[:16]...))
}

func TestPinIsAsDescribed(t *testing.T) {
	p := mustPins(t, 1, 24*time.Hour)
	now := time.Unix(1_700_000_000, 0)
	if diff := cmp.Diff(pinByDefinition(1, "a.example", 12, 1_700_085_600), p.give("a.example", 12, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPinCheck(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := mustPins(t, 1, 24*time.Hour)
	good := p.give("a.example", 12, now)
	flip := func(i int) string { return good[:i] + string(good[i]^1) + good[i+1:] }
	for name, tt := range map[string]struct {
		pins   *pins
		cookie string
		host   hostkey.Host
		now    time.Time
		want   store.DeploymentNo
	}{
		"good":                {cookie: "berth_pin=" + good, want: 12},
		"among others":        {cookie: "a=b;\tberth_pin=" + good + " ; c", want: 12},
		"the second":          {cookie: "berth_pin=x; berth_pin=" + good, want: 12},
		"the fourth":          {cookie: strings.Repeat("berth_pin=x; ", 3) + "berth_pin=" + good, want: 12},
		"the fifth":           {cookie: strings.Repeat("berth_pin=x; ", 4) + "berth_pin=" + good},
		"of another name":     {cookie: "Berth_pin=" + good + "; xberth_pin=" + good + "; berth_pin2=" + good},
		"quoted":              {cookie: `berth_pin="` + good + `"`},
		"with spaces":         {cookie: "berth_pin = " + good + "; berth_pin= " + good},
		"padded":              {cookie: "berth_pin=" + good + "="},
		"short":               {cookie: "berth_pin=" + good[:42]},
		"empty":               {cookie: "berth_pin="},
		"none":                {},
		"another deployment":  {cookie: "berth_pin=" + flip(5)},
		"another expiry":      {cookie: "berth_pin=" + flip(15)},
		"another mac":         {cookie: "berth_pin=" + flip(30)},
		"another host":        {cookie: "berth_pin=" + good, host: "b.example"},
		"another secret":      {cookie: "berth_pin=" + good, pins: mustPins(t, 2, 24*time.Hour)},
		"over":                {cookie: "berth_pin=" + good, now: now.Add(24 * time.Hour)},
		"from a longer limit": {cookie: "berth_pin=" + good, pins: mustPins(t, 1, time.Hour)},
		"from the future":     {cookie: "berth_pin=" + good, now: now.Add(-2 * time.Hour)},
		"expiry beyond time":  {cookie: "berth_pin=" + pinByDefinition(1, "a.example", 12, 1<<63+1_700_000_001)},
		"last bits set":       {cookie: "berth_pin=" + good[:42] + string(good[42]+1)},
		"standard alphabet":   {cookie: "berth_pin=" + strings.Repeat("+", 43)},
	} {
		if tt.pins == nil {
			tt.pins = p
		}
		if tt.host == "" {
			tt.host = "a.example"
		}
		if tt.now.IsZero() {
			tt.now = now
		}
		if got, ok := tt.pins.find(tt.cookie, tt.host, tt.now); got != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, tt.want)
		}
	}
}

// A pin never lasts longer than it may, and nearly as long.
func TestPinExpiry(t *testing.T) {
	for _, maxAge := range []time.Duration{time.Minute, 24 * time.Hour, 30 * 24 * time.Hour} {
		p := mustPins(t, 1, maxAge)
		for i := range int64(50) {
			now := time.Unix(1_700_000_000+i*i*7, 0)
			pin := p.give("a.example", 1, now)
			if _, ok := p.check(pin, "a.example", now.Add(maxAge-maxAge/pinSteps-2*time.Second)); !ok {
				t.Errorf("%v: over too early", maxAge)
			}
			if _, ok := p.check(pin, "a.example", now.Add(maxAge)); ok {
				t.Errorf("%v: not over", maxAge)
			}
		}
	}
}

// FuzzPin: no cookie field makes find panic, and none but those with our pin is one.
func FuzzPin(f *testing.F) {
	p := mustPins(f, 1, 24*time.Hour)
	now := time.Unix(1_700_000_000, 0)
	good := p.give("a.example", 12, now)
	for _, seed := range []string{
		"berth_pin=" + good, "a=b; berth_pin=" + good + ";", "berth_pin=" + good[:42], "berth_pin", ";;=; ;", "berth_pin=" + strings.Repeat("A", 43),
		"berth_pin=" + good[:20] + "\r\n" + good[22:], strings.Repeat("berth_pin=;", 100), "berth_pin=" + p.give("b.example", 12, now),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cookies string) {
		no, ok := p.find(cookies, "a.example", now)
		if ok != (no != 0) || ok && (no != 12 || !strings.Contains(cookies, "berth_pin="+good)) {
			t.Errorf("%q: %d, %v", cookies, no, ok)
		}
		if diff := cmp.Diff(queryOfURL(cookies), queryValue("/?"+cookies, pinQuery)); diff != "" {
			t.Errorf("%q as a query (-want +got):\n%s", cookies, diff)
		}
		if n, ok := parseDeploymentName(cookies); ok && !strings.HasPrefix(n.id.String(), strings.ToLower(cookies[:8])) {
			t.Errorf("%q names %v", cookies, n)
		}
	})
}

// queryOfURL is queryValue again, in other words.
func queryOfURL(query string) string {
	if i := strings.IndexByte(query, '#'); i >= 0 {
		query = query[:i]
	}
	for _, pair := range strings.Split(query, "&") {
		if pair == pinQuery || strings.HasPrefix(pair, pinQuery+"=") {
			return strings.TrimPrefix(pair[len(pinQuery):], "=")
		}
	}
	return ""
}

func TestDeploymentNames(t *testing.T) {
	id := store.UUID{0x2b, 0x46, 0x9e, 0x16, 0xaa, 0xbb, 0x4c, 0xcc, 0x8d, 0xdd, 1, 2, 3, 4, 5, 6}
	for text, want := range map[string]bool{
		"2b469e16": true, "2B469E16": true, id.String(): true, strings.ToUpper(id.String()): true,
		"2b469e17": false, "2b469e1": false, "2b469e161": false, "2b469e1g": false, "": false,
		strings.ReplaceAll(id.String(), "-", ""): false, "2b469e16-aabb-4ccc-8ddd-010203040507": false,
		"2b469e16aabb-4ccc-8ddd-0102030405060-": false, "2b469e16-aabb-4ccc-8ddd_010203040506": false, " 2b469e1": false,
	} {
		n, ok := parseDeploymentName(text)
		if got := ok && n.is(id); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPrivateCacheControl(t *testing.T) {
	for in, want := range map[string]string{
		"public, max-age=0, must-revalidate":  "private, max-age=0, must-revalidate",
		"PUBLIC,max-age=1":                    "private, max-age=1",
		"private":                             "private",
		`private="set-cookie, x", max-age=1`:  "private, max-age=1",
		`no-cache="a, \"b", public , , x="y,`: `private, no-cache="a, \"b", x="y,`,
		"no-store":                            "no-store",
		"public, No-Store, max-age=1":         "No-Store, max-age=1",
		"s-maxage=60":                         "private, s-maxage=60",
		"":                                    "private",
	} {
		x := new(exchange)
		if in != "" {
			x.plan.Fields = append(x.plan.Fields, field("Cache-Control", []byte(in)))
		}
		x.plan.Fields = append(x.plan.Fields, field("Cloudflare-CDN-Cache-Control", nil), field("Surrogate-Control", nil), field("X-A", nil))
		x.keepPrivate()
		var got []string
		for _, f := range x.plan.Fields {
			got = append(got, f.Name+": "+string(f.Value))
		}
		if diff := cmp.Diff([]string{"X-A: ", "Cache-Control: " + want}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

// FuzzPrivate: whatever rules say, the answer is private or not stored at all, and nothing is added to a field but that.
func FuzzPrivate(f *testing.F) {
	for _, seed := range []string{"public", `private="a, public"`, `x="`, `no-cache="\"", public`, "no-store", `a="\`, ",, ,", "no-store=1", "\"public\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		x := new(exchange)
		x.plan.Fields = append(x.plan.Fields, field("Cache-Control", []byte(value)))
		x.keepPrivate()
		got := string(x.plan.Fields[0].Value)
		if len(x.plan.Fields) != 1 || len(got) > len(value)+2*strings.Count(value, ",")+len("private, ") {
			t.Errorf("%q: %v", value, x.plan.Fields)
		}
		private := got == "private" || strings.HasPrefix(got, "private, ")
		for rest := []byte(got); len(rest) > 0; {
			var directive []byte
			directive, rest = cutDirective(rest)
			name, _, _ := strings.Cut(strings.ToLower(string(directive)), "=")
			private = private || strings.Trim(name, " \t") == "no-store"
			if strings.Trim(name, " \t") == "public" {
				t.Errorf("%q: %q", value, got)
			}
		}
		if !private {
			t.Errorf("%q: %q", value, got)
		}
	})
}

// A page of absence loads its parts from the deployment that it is of, as any page does.
func TestNotFoundPagePins(t *testing.T) {
	l := newLive(t, skewOn, Options{})
	l.deploy(files{"/index.html": "1"}, store.SiteSettings{})
	pin := l.navigate(productionHost, "/").pin()
	l.deploy(files{"/index.html": "2", "/404.html": "gone", "/404.2.css": "css 2"}, store.SiteSettings{})
	got := l.navigate(productionHost, "/none", pin)
	if v := got.all("Cache-Control"); got.status[:3] != "404" || got.body != "gone" || v != "no-store" {
		t.Errorf("%s %q, Cache-Control: %s", got.status, got.body, v)
	}
	if _, moved := got.field("Set-Cookie"); moved {
		pin = got.pin()
	}
	if part := l.ask(productionHost, "/404.2.css", "Sec-Fetch-Dest: style", pin); part.body != "css 2" {
		t.Errorf("its style: %s %q", part.status, part.body)
	}
}
