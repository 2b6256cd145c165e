package httpsem

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// listed is If-None-Match for any tag, also such as we do not make.
func listed(field, etag string) bool {
	if isAny(field) {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	for list := (tagList{field}); ; {
		tag, _, ok := list.next()
		if !ok || tag == etag {
			return ok
		}
	}
}

func TestNoneMatch(t *testing.T) {
	const tag = `"k"`
	for field, want := range map[string]bool{
		``:                    false,
		`"k"`:                 true,
		`W/"k"`:               true,
		` "k"	`:               true,
		`"x"`:                 false,
		`"x", "k"`:            true,
		`"x",W/"k"`:           true,
		`"x" , , ,	"k" `:      true,
		`,,"k"`:               true,
		`"k", "x"`:            true,
		`*`:                   true,
		` * `:                 true,
		`*, "x"`:              false, // neither form of the grammar
		`"x", *`:              false,
		`k`:                   false,
		`w/"k"`:               false, // W is case-sensitive, §8.8.3
		`W/ "k"`:              false,
		`W/W/"k"`:             false,
		`"x" "k"`:             false,
		`"k" x`:               false,
		`"k`:                  false,
		`""k""`:               false,
		`"a,"k"`:              false,
		`"a,b", "k"`:          true, // a comma may stand inside a tag
		`"a\", "k"`:           true, // a backslash escapes nothing
		"\"\x00\", \"k\"":     false,
		"\"\xff\xfe\", \"k\"": true, // obs-text
	} {
		if got := listed(field, tag); got != want {
			t.Errorf("listed(%q) = %v, want %v", field, got, want)
		}
	}
	if !listed(tag, `W/"k"`) {
		t.Error("the comparison is weak on both sides")
	}
}

func TestNoneMatchFindsEveryListed(t *testing.T) {
	opaque := rapid.StringMatching(`"[!#-~é,]{0,6}"`)
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfN(opaque, 1, 6).Draw(t, "tags")
		var field strings.Builder
		for _, tag := range tags {
			field.WriteString(rapid.SampledFrom([]string{"", "W/"}).Draw(t, "weak") + tag)
			field.WriteString(rapid.SampledFrom([]string{",", ", ", " ,\t,"}).Draw(t, "separator"))
		}
		want := rapid.SampledFrom(tags).Draw(t, "wanted")
		if !listed(field.String(), want) {
			t.Fatalf("%q not found in %q", want, field.String())
		}
		if listed(field.String(), `"absent-from-the-list"`) {
			t.Fatalf("found in %q what is not there", field.String())
		}
	})
}

func TestIdentityForbidden(t *testing.T) {
	for field, want := range map[string]bool{
		"":                              false,
		"gzip, br":                      false,
		"identity":                      false,
		"identity;q=0.5":                false,
		"identity;q=0":                  true,
		"gzip, Identity ; Q=0.000":      true,
		"identity;q=0.":                 true,
		"identity;q=0.001":              false,
		"*;q=0":                         true,
		"*;q=0, identity":               false,
		"*;q=0, identity;q=0.1":         false,
		"gzip;q=1, *;q=0":               true,
		"*":                             false,
		"*, identity;q=0":               true,
		"identity;q=0, identity":        false,
		"identity;q=zero":               false,
		"identity;q=":                   false,
		"identity;x=1;q=0":              true,
		"identity q=0":                  false,
		", ,;;q=0, identity ;q = 0 , ,": true,
	} {
		if got := IdentityForbidden(field); got != want {
			t.Errorf("IdentityForbidden(%q) = %v, want %v", field, got, want)
		}
	}
}
