package rollout

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleDocument() Document {
	return Document{
		Revision: 41, Epoch: 3, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Who: "ann", Why: "first step",
		Config: Config{
			Mode: ModeRamp, Percent: 0.5, Datacentres: map[string]Side{"fra": Hashed}, Sites: map[string]Side{"docs": Legacy},
			OptOut: []string{"shop"}, Default: Legacy,
		},
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	for name, d := range map[string]Document{"full": sampleDocument(), "empty": {Config: Config{Mode: ModeRamp, Default: Legacy}}} {
		raw, err := Encode(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(d, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeNamesTheField(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{``, "unexpected end"},
		{`{"percent":5}`, "v: missing"},
		{`{"v":2,"later":1}`, "v: version 2; this berth reads 1"},
		{`{"v":1,"default":"legacy","percnt":5}`, `"percnt"`},
		{`{"v":1,"default":"legacy","percent":"5"}`, "percent: a JSON string cannot be a float64"},
		{`{"v":1,"default":"legacy","percent":-1}`, "percent: -1 is not from 0 to 100"},
		{`{"v":1,"default":"legacy","percent":100.1}`, "percent: 100.1"},
		{`{"v":1}`, `default: "" is no side`},
		{`{"v":1,"default":"new"}`, `default: "new" is no side`},
		{`{"v":1,"default":"legacy","sites":{"docs":"hash"}}`, `sites: "docs": "hash" is no side`},
		{`{"v":1,"default":"legacy","sites":{"Docs":"hashed"}}`, `sites: "Docs": project name`},
		{`{"v":1,"default":"legacy","datacentres":{"":"hashed"}}`, `datacentres: the name ""`},
		{`{"v":1,"default":"legacy","opt_out":["a b"]}`, `opt_out: "a b"`},
		{`{"v":1,"default":"legacy"}{}`, "invalid character"},
	} {
		_, err := Decode([]byte(c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.raw, err, c.want)
		}
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for _, c := range []Config{{Percent: math.NaN()}, {Percent: math.Inf(1)}, {Sites: map[string]Side{"docs": 9}}, {Default: 7}} {
		if _, err := Encode(Document{Config: c}); err == nil {
			t.Errorf("%+v was encoded", c)
		}
	}
}

func TestChanges(t *testing.T) {
	from := Config{Percent: 1, Sites: map[string]Side{"docs": Legacy, "old": Hashed}, OptOut: []string{"gone"}}
	to := Config{
		Percent: 2.5, Sites: map[string]Side{"docs": Hashed}, Datacentres: map[string]Side{"fra": Hashed}, OptOut: []string{"shop"}, Default: Hashed,
	}
	want := []string{
		"percent 1% to 2.5%", "datacentre fra=hashed", "site docs=hashed (was legacy)", "site old=hashed taken away",
		"opt-out shop", "no opt-out of gone", "default legacy to hashed",
	}
	if diff := cmp.Diff(want, Changes(from, to)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Changes(to, to); len(got) != 0 {
		t.Errorf("to itself: %q", got)
	}
}

func TestKept(t *testing.T) {
	c := Config{Sites: map[string]Side{"b": Legacy, "c": Hashed, "a": Legacy}, OptOut: []string{"z", "a"}}
	if diff := cmp.Diff([]string{"a", "b", "z"}, c.Kept()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	raw, err := Encode(sampleDocument())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"v":1,"default":"legacy"}`))
	f.Add([]byte(`{"v":1,"default":"legacy","sites":{"a":"hashed","a":"legacy"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := Encode(d)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		e, err := Decode(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(d, e, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
