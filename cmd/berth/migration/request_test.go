package migration

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"berth/migrate/load"
	"berth/store/control"
)

// The second of two who import at once is told so, not that the server is broken.
func TestConcurrentImportsAreAConflict(t *testing.T) {
	err := public(fmt.Errorf("load: upload:1: %w of project docs", load.ErrConcurrent))
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict || refused.Message != "upload:1: somebody else loads the table of project docs" {
		t.Errorf("%#v", err)
	}
}
