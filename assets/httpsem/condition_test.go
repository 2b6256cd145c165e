package httpsem

import "testing"

func TestEvaluate(t *testing.T) {
	id, br, gz := tagOf(Identity), tagOf(Brotli), tagOf(Gzip)
	other := string(ETag{otherKey, Identity}.Append(nil))
	for _, c := range []struct {
		section, ifMatch, ifNoneMatch string
		selected                      Encoding
		want                          Outcome
	}{
		{"13.2.2", "", "", Identity, Proceed},

		// If-Match compares strongly.
		{"13.1.1", id, "", Identity, Proceed},
		{"13.1.1", "*", "", Brotli, Proceed},
		{"13.1.1", " *\t", "", Brotli, Proceed},
		{"13.1.1", other, "", Identity, PreconditionFailed},
		{"13.1.1", "W/" + id, "", Identity, PreconditionFailed},
		{"13.1.1", other + ", " + id, "", Identity, Proceed},
		{"13.1.1", "W/" + id + "," + id, "", Identity, Proceed},
		{"13.1.1", ",, " + other + " ,\t" + id + ",", "", Identity, Proceed},
		{"13.1.1", `"x", *`, "", Identity, PreconditionFailed},
		{"13.1.1", "nonsense", "", Identity, PreconditionFailed},
		{"13.1.1", "nonsense, " + id, "", Identity, PreconditionFailed},
		{"13.1.1", `""`, "", Identity, PreconditionFailed},
		{"8.8.3.3", id, "", Brotli, PreconditionFailed}, // of another representation
		{"8.8.3.3", br, "", Identity, PreconditionFailed},
		{"8.8.3.3", id + ", " + br, "", Brotli, Proceed},

		// If-None-Match compares weakly.
		{"13.1.2", "", id, Identity, NotModified},
		{"13.1.2", "", "W/" + id, Identity, NotModified},
		{"13.1.2", "", "*", Zstd, NotModified},
		{"13.1.2", "", other, Identity, Proceed},
		{"13.1.2", "", other + ",W/" + id, Identity, NotModified},
		{"13.1.2", "", id + `, "open`, Identity, NotModified},
		{"13.1.2", "", `"open, ` + id, Identity, Proceed},
		{"13.1.2", "", "*, " + id, Identity, Proceed}, // neither form of the grammar
		{"8.8.3.3", "", id, Brotli, Proceed},
		{"8.8.3.3", "", br, Identity, Proceed},
		{"8.8.3.3", "", gz + ", " + br, Brotli, NotModified},
		{"8.8.3.3", "", "W/" + br, Brotli, NotModified},

		// If-Match is first.
		{"13.2.2", other, id, Identity, PreconditionFailed},
		{"13.2.2", id, id, Identity, NotModified},
		{"13.2.2", id, other, Identity, Proceed},
		{"13.2.2", "*", "*", Identity, NotModified},
	} {
		if got := Evaluate(c.ifMatch, c.ifNoneMatch, fileTag(c.selected)); got != c.want {
			t.Errorf("§%s: If-Match %q, If-None-Match %q of %v: %v, want %v", c.section, c.ifMatch, c.ifNoneMatch, c.selected,
				got, c.want)
		}
	}
}

func TestIfRange(t *testing.T) {
	stored := Stored{Set: allEncodings, Keys: fileKeys}
	for _, c := range []struct {
		field string
		want  Encoding
		ok    bool
	}{
		{tagOf(Identity), Identity, true},
		{tagOf(Brotli), Brotli, true},
		{" " + tagOf(Zstd) + "\t", Zstd, true},
		{"W/" + tagOf(Identity), 0, false}, // the comparison is strong
		{string(ETag{otherKey, Identity}.Append(nil)), 0, false},
		{string(ETag{fileKey, Brotli}.Append(nil)), 0, false}, // the key of another coding
		{tagOf(Identity) + ", " + tagOf(Identity), 0, false},  // no list
		{"*", 0, false},
		{"Fri, 01 Jan 2100 00:00:00 GMT", 0, false},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0, false},
		{`"`, 0, false},
		{keyHex, 0, false},
	} {
		if got, ok := stored.ifRange(c.field); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %v, %v", c.field, got, ok)
		}
	}
}
