package verify

import (
	"strings"
	"testing"
)

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Deps{}, Options{Rate: -1, MaxKeys: -1})
	for _, part := range []string{"store", "Rate", "MaxKeys"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}
