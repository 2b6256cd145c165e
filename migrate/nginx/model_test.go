package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/migrate/convert"
	"berth/router/hostkey"
)

// choose is nginx's choice of a value for a host, written down once more from its documentation.
func choose(names, values []string, host string) string {
	best, value := 0, ""
	consider := func(score int, v string) {
		if score > best {
			best, value = score, v
		}
	}
	for i, name := range names {
		low := strings.ToLower(name)
		switch {
		case strings.HasPrefix(name, "~"):
			if regexp.MustCompile(strings.TrimPrefix(strings.TrimPrefix(name, "~"), "*")).MatchString(host) {
				consider(1, values[i])
			}
		case strings.HasSuffix(low, ".*"):
			if strings.HasPrefix(host, low[:len(low)-1]) && len(host) >= len(low) {
				consider(1000+len(low), values[i])
			}
		case strings.HasPrefix(low, "*."):
			if strings.HasSuffix(host, low[1:]) && len(host) > len(low)-1 {
				consider(2000+len(low), values[i])
			}
		case strings.HasPrefix(low, "."):
			if host == low[1:] {
				consider(3000, values[i])
			} else if strings.HasSuffix(host, low) {
				consider(2000+len(low)+1, values[i])
			}
		case low == host:
			consider(3000, values[i])
		}
	}
	return value
}

func TestPrecedenceIsThatOfNginx(t *testing.T) {
	pool := []string{
		"a.b", "A.b", ".a.b", "*.a.b", "*.b", ".b", "b", "c.a.b", "*.c.a.b", "a.*", "c.*", "c.a.*", "~^a\\.b$", "~^[a-c]\\.b$", "~^.+\\.b$", "~^[^.]+\\.b$",
		"~^.+\\.a\\.b$", "~^[^.]+\\.a\\.b$", "~^c\\.", "~^(?:[^.]+\\.)*c\\.b$",
	}
	hosts := []string{"b", "a", "a.b", "c.b", "d.b", "c.a.b", "d.a.b", "d.c.a.b", "x.y.a.b", "x.y.b", "x.c.b", "c.x", "a.x"}
	complete := 0
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, 6, func(s string) string { return s }).Draw(rt, "names")
		var values []string
		var servers, pairs strings.Builder
		for _, n := range names {
			v := fmt.Sprint("v", rapid.IntRange(0, 3).Draw(rt, "value"))
			values = append(values, v)
			fmt.Fprintf(&servers, "server { server_name '%s'; root %s; }\n", n, v)
			fmt.Fprintf(&pairs, "'%s' %s;\n", n, v)
		}
		for _, text := range []string{servers.String(), "map $host $x { hostnames;\n" + pairs.String() + "}"} {
			c, err := read(map[string]string{"etc/nginx.conf": text}, Options{})
			if err != nil {
				rt.Fatal(err)
			}
			whole := c.Counts()[convert.CannotConvert] == 0
			if whole {
				complete++
			}
			for _, h := range hosts {
				want := choose(names, values, h)
				got, exact := answer(c, h)
				if exact && got != want || whole && got != want && want != "" {
					rt.Fatalf("%s: nginx answers %q, Berth %q:\n%s", h, want, got, written(c))
				}
			}
		}
	})
	if complete < 10 {
		t.Errorf("only %d configurations are wholly converted", complete)
	}
}

// answer is what Berth would answer: the exact host, else the wildcard of the nearest parent.
func answer(c *Config, host string) (value string, exact bool) {
	at := func(match func(e *Entry) bool) (string, bool) {
		i := slices.IndexFunc(c.Entries, func(e Entry) bool { return match(&e) })
		if i < 0 {
			return "", false
		}
		return c.Entries[i].Value, true
	}
	if v, ok := at(func(e *Entry) bool {
		return slices.ContainsFunc(e.Hosts, func(h hostkey.Host) bool { return string(h) == host })
	}); ok {
		return v, true
	}
	for _, rest, more := strings.Cut(host, "."); more; _, rest, more = strings.Cut(rest, ".") {
		if v, ok := at(func(e *Entry) bool { return slices.Contains(e.Wildcards, "*."+rest) }); ok {
			return v, false
		}
	}
	return "", false
}
