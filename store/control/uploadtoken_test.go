package control

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"berth/store"
)

func TestUploadTokens(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.MaxFiles = 77 })
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	check := func(c *api, status, code int) {
		t.Helper()
		c.refused("POST", "/pages/assets/check-missing", `{"hashes":[]}`, status, code)
	}
	up.must("POST", "/pages/assets/check-missing", `{"hashes":[]}`)

	var claims struct {
		jwt.RegisteredClaims
		Max any `json:"max_file_count_allowed"`
	}
	if _, _, err := jwt.NewParser().ParseUnverified(up.token, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Max != float64(77) || !claims.ExpiresAt.Equal(s.clock.Now().Add(15*time.Minute)) {
		t.Errorf("claims are %+v", claims)
	}

	mac := uploadClaims{Project: 1, Account: 1}
	mac.ExpiresAt = jwt.NewNumericDate(s.clock.Now().Add(time.Minute))
	sign := func(m jwt.SigningMethod, key any, c uploadClaims) string {
		text, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good, err := s.parseUploadToken(up.token)
	if err != nil {
		t.Fatal(err)
	}
	foreign := good
	foreign.Account++
	forever := good
	forever.ExpiresAt = nil
	key := s.deps.UploadKey[:]
	for name, text := range map[string]string{
		"api token":    s.admin,
		"nothing":      "",
		"other key":    sign(jwt.SigningMethodHS256, []byte("another key"), good),
		"other method": sign(jwt.SigningMethodHS512, key, good),
		"none":         sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"no audience":  sign(jwt.SigningMethodHS256, key, mac),
		"no expiry":    sign(jwt.SigningMethodHS256, key, forever),
		"two parts":    strings.Join(strings.Split(up.token, ".")[:2], "."),
		"broken":       up.token[:len(up.token)-4] + "AAAA",
	} {
		t.Run(name, func(t *testing.T) { check(a.as(text), 401, codeUploadToken) })
	}
	// Never 8000013, which would loop.
	renumbered := good
	renumbered.UUID = strings.Repeat("0", 32) // as if the number had been given to another project
	check(a.as(sign(jwt.SigningMethodHS256, key, foreign)), 410, codeProjectMissing)
	check(a.as(sign(jwt.SigningMethodHS256, key, renumbered)), 410, codeProjectMissing)
	a.as(up.token).refused("GET", projectsPath, nil, 401, codeAuth)

	s.clock.advance(15 * time.Minute)
	check(up, 401, codeUploadToken)

	// The project goes, and another one takes its name.
	up = a.uploader("docs")
	p, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteProject(p.No) })
	if err != nil {
		t.Fatal(err)
	}
	check(up, 410, codeProjectMissing)
	a.project("docs")
	check(up, 410, codeProjectMissing)
}

func TestProjectBeingDeleted(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	p, err := s.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	p.State = store.ProjectDeleting
	if _, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutProject(p) }); err != nil {
		t.Fatal(err)
	}
	a.refused("GET", projectsPath+"/docs", nil, 409, codeConflict)
	a.refused("POST", projectsPath, `{"name":"docs"}`, 409, codeConflict)
	a.refused("PATCH", projectsPath+"/docs", `{}`, 409, codeConflict)
	up.refused("POST", "/pages/assets/upload", `[]`, 410, codeProjectMissing)
	if ans := a.must("GET", projectsPath, nil); string(ans.Result) != "[]" {
		t.Errorf("it is listed: %s", ans.Result)
	}
}

// A directory that cannot be written must not leave a record whose token nobody knows.
