package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/berth/config"
)

func TestParseAge(t *testing.T) {
	for in, want := range map[string]time.Duration{"30d": 720 * time.Hour, "2w": 336 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		if got, err := parseAge(in); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1.5d", "99999999999d", "4294967295w", "-1h", "yesterday"} {
		if got, err := parseAge(in); err == nil {
			t.Errorf("%q was taken for %v", in, got)
		}
	}
}

func TestByteSize(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1000": 1000, "1KiB": 1024, "8 MiB": 8 << 20, "2GiB": 2 << 30, "5B": 5} {
		var n int64
		if err := (byteSize[int64]{&n}).Set(in); err != nil || n != want {
			t.Errorf("%q: %d, %v; want %d", in, n, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1", "1.5MiB", "1MB", "9999999999GiB"} {
		var n int64
		if err := (byteSize[int64]{&n}).Set(in); err == nil {
			t.Errorf("%q was taken for %d", in, n)
		}
	}
	n := int64(256 << 20)
	if got := (byteSize[int64]{&n}).String(); got != "256MiB" {
		t.Errorf("String: %s", got)
	}
}

func TestKeepFlag(t *testing.T) {
	for in, want := range map[string]time.Duration{"off": -1, "3d": 72 * time.Hour, "90m": 90 * time.Minute} {
		var d time.Duration
		k := keepFlag{&d}
		if err := k.Set(in); err != nil || d != want {
			t.Errorf("%q: %v, %v; want %v", in, d, err, want)
		}
	}
	var d time.Duration
	if err := (keepFlag{&d}).Set("never"); err == nil || (keepFlag{&d}).String() != "" {
		t.Errorf("%v, %v", d, err)
	}
}

func TestWorkersFlag(t *testing.T) {
	for in, want := range map[string]int{"0": -1, "1": 1, "256": 256} {
		var n int
		w := workersFlag{&n}
		if err := w.Set(in); err != nil || n != want || w.String() != in {
			t.Errorf("%q: %d, %v, %s; want %d", in, n, err, w, want)
		}
	}
	for _, in := range []string{"", "-1", "257", "some"} {
		n := 0
		if err := (workersFlag{&n}).Set(in); err == nil || n != 0 || (workersFlag{&n}).String() != "" {
			t.Errorf("%q was taken for %d", in, n)
		}
	}
}

// What comes from elsewhere must not drive a terminal.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[31mb\r\u202ec\nd"); got != "a�[31mb��c\nd" {
		t.Errorf("%q", got)
	}
	if got := oneLine(" a\n\tb\x00 "); got != "a b�" {
		t.Errorf("%q", got)
	}
}

func TestInFlags(t *testing.T) {
	for in, want := range map[string]string{
		"MaxConns: -1":                      "--max-conns: -1",
		"make edge: MaxConnsPerIP: x":       "--max-conns-per-ip: x",
		"control: MaxJSONBytes is negative": "--max-json-bytes is negative",
		"a\nBodyTimeout is negative":        "a\n--body-timeout is negative",
		"HTTP and Words stay":               "HTTP and Words stay",
	} {
		if got := inFlags(errors.New(in)).Error(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Every option that a package may complain about has the flag that inFlags names.
func TestEveryLimitHasItsFlag(t *testing.T) {
	c := newServeCommand(&app{})
	for _, name := range []string{
		"HeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "DrainGrace", "MaxHeaderBytes", "MaxTargetBytes", "MaxBodyBytes",
		"MaxConns", "MaxConnsPerIP", "BodyCache", "BodyCacheMaxItem", "AnswerCache", "OpenFiles", "AccessLogRing",
		"MaxFileBytes", "MaxFiles", "MaxManifestBytes", "MaxUploadBytes", "MaxUploadFiles", "MaxBundleBytes", "MaxRuleFileBytes", "MaxParts",
		"MaxJSONBytes", "MaxConcurrentCalls", "BodyTimeout", "UploadTokenTTL", "SweepGrace", "MaxEnvVars", "MaxEnvVarBytes",
		"MaxSettingsBytes", "MaxTokens", "MaxDomains", "DomainTimeout",
		"MaxRedirectsStatic", "MaxRedirectsDynamic", "MaxRedirectLine", "MaxHeaderRules", "MaxHeaderLine", "MaxHeadersBytes",
		"MaxRoutesRules", "MaxRouteLength", "KeepAssets", "MaxKeptFiles", "CompressMaxBytes",
	} {
		if c.Flags().Lookup(flagOf(name)) == nil {
			t.Errorf("%s: there is no --%s", name, flagOf(name))
		}
	}
}

// Two flags must not read one variable, and every command explains itself.
func TestCommandsAreDocumented(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		seen := map[string]string{}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.CommandPath(), f.Name)
			}
			if other := seen[config.EnvName(f.Name)]; other != "" {
				t.Errorf("%s: --%s and --%s both read %s", c.CommandPath(), f.Name, other, config.EnvName(f.Name))
			}
			seen[config.EnvName(f.Name)] = f.Name
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{}))
}

func newTestProgress(width int) (*progress, *bytes.Buffer, *time.Time) {
	now := time.Unix(0, 0)
	out := &bytes.Buffer{}
	return &progress{w: out, width: func() int { return width }, now: func() time.Time { return now }}, out, &now
}

func TestProgressOnATerminal(t *testing.T) {
	p, out, now := newTestProgress(100)
	p.Uploading(4, 4<<20)
	*now = now.Add(time.Second)
	p.Sent(1, 1<<20)
	if got := out.String(); !strings.HasPrefix(got, "[====") || !strings.HasSuffix(got, "1/4 files, 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3s left") || len(got) > 99 {
		t.Errorf("bar %q", got)
	}
	out.Reset()
	p.Step("something")
	if got := out.String(); !strings.HasPrefix(got, "\r\x1b[Ksomething\n[") {
		t.Errorf("a line above the bar: %q", got)
	}
	out.Reset()
	*now = now.Add(50 * time.Millisecond)
	p.Sent(0, 1)
	if out.Len() != 0 {
		t.Errorf("drawn too often: %q", out)
	}
	p.Sent(3, 3<<20-1)
	p.Uploaded()
	if got := out.String(); !strings.Contains(got, "4/4 files") || !strings.HasSuffix(got, "\n") {
		t.Errorf("end %q", got)
	}
}

func TestProgressElsewhere(t *testing.T) {
	p, out, now := newTestProgress(0)
	p.Uploading(2, 200)
	p.Sent(1, 100)
	*now = now.Add(3 * time.Second)
	p.Sent(0, 50)
	p.Sent(1, 50)
	p.Uploaded()
	want := "uploaded 1/2 files, 150 B of 200 B, 50 B/s, 1s left\nuploaded 2/2 files, 200 B of 200 B, 66 B/s\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestProgressQuiet(t *testing.T) {
	p, out, now := newTestProgress(80)
	p.quiet = true
	p.Uploading(1, 1)
	*now = now.Add(time.Minute)
	p.Sent(1, 1)
	p.Uploaded()
	if out.Len() != 0 {
		t.Errorf("wrote %q", out)
	}
	p.Step("retrying")
	if out.String() != "retrying\n" {
		t.Errorf("got %q", out)
	}
}
