package control

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"berth/store"
)

// userEndpoints is what wrangler asks to find out who it is (whoami, and after every authentication error), and the
// accounts and tokens.
func (s *Service) userEndpoints() []endpoint {
	return []endpoint{
		{"GET /user/tokens/verify", needNothing, s.verifyToken},
		{"GET /user", needNothing, s.showUser},
		{"GET /accounts", needNothing, s.listAccounts},
		{"GET /memberships", needNothing, s.listMemberships},
		{"POST /accounts", needServer, s.createAccount},
		{"GET /accounts/{account}", needRead, func(c *call) (any, error) { return describeAccount(c.account), nil }},
		{"GET /accounts/{account}/berth/tokens", needAccount, s.listTokens},
		{"POST /accounts/{account}/berth/tokens", needAccount, s.createToken},
		{"DELETE /accounts/{account}/berth/tokens/{token}", needAccount, s.revokeToken},
	}
}

// verifyToken has a code of its own for a token that is none: after 10000 here, newer wranglers end in a stack trace.
func (s *Service) verifyToken(c *call) (any, error) {
	p, err := s.authenticate(c.r)
	if refused(err) {
		return nil, refuse(http.StatusUnauthorized, codeNotUserToken, "Invalid API Token")
	}
	if err != nil {
		return nil, err
	}
	return struct {
		ID        string     `json:"id"`
		Status    string     `json:"status"`
		ExpiresOn *time.Time `json:"expires_on,omitempty"`
	}{p.Token.ID, "active", optionalTime(p.Token.Expires)}, nil
}

// showUser names the token where Cloudflare names the person who made it: there are no people here.
func (s *Service) showUser(c *call) (any, error) {
	p, err := s.authenticate(c.r)
	if refused(err) {
		return nil, refuse(http.StatusForbidden, codeForbidden, "no user can be told from this token")
	}
	if err != nil {
		return nil, err
	}
	return struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	}{p.Token.ID, "token " + p.Token.ID + " (" + p.Token.Name + ")"}, nil
}

type accountObject struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedOn time.Time `json:"created_on"`
}

func describeAccount(a store.Account) accountObject { return accountObject{a.ID, a.Name, a.Created} }

// listAccounts answers an unknown token with no accounts rather than an error: wrangler asks on its way to report one.
func (s *Service) listAccounts(c *call) (any, error) {
	return s.pageOfAccounts(c, func(a store.Account) any { return describeAccount(a) })
}

func (s *Service) listMemberships(c *call) (any, error) {
	return s.pageOfAccounts(c, func(a store.Account) any {
		return map[string]any{"id": a.ID, "account": describeAccount(a), "roles": []string{}, "status": "accepted"}
	})
}

func (s *Service) pageOfAccounts(c *call, show func(store.Account) any) (any, error) {
	page, err := pageOf(c.r, 20, 100)
	if err != nil {
		return nil, err
	}
	p, err := s.authenticate(c.r)
	if err != nil && !refused(err) {
		return nil, err
	}
	for a, err := range s.deps.Store.Accounts() {
		if err != nil {
			return nil, err
		}
		if p.reaches(a.No) && page.take() {
			page.items = append(page.items, show(a))
		}
	}
	c.info = page.info()
	return page.items, nil
}

// refused says whether an error refuses a token, as opposed to a failure to look it up.
func refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == codeAuth
}

// An account ID is what newer wranglers take for one, in lower case.
var accountID = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (s *Service) createAccount(c *call) (any, error) {
	var in struct{ ID, Name string }
	if err := c.readJSON(&in); err != nil {
		return nil, err
	}
	if !accountID.MatchString(in.ID) {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "account ID %q: want 1 to 64 of a-z, 0-9, _ and -", clip(in.ID))
	}
	if in.Name == "" {
		in.Name = in.ID
	}
	if err := checkName("account name", in.Name); err != nil {
		return nil, err
	}
	a := store.Account{ID: in.ID, Name: in.Name, Created: s.now()}
	_, err := s.deps.Store.Update(c.ctx, func(tx *store.Tx) error {
		if _, err := tx.AccountByID(in.ID); err == nil {
			return refuse(http.StatusConflict, codeConflict, "there is an account %q already", in.ID)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		var err error
		if a.No, err = tx.NextAccount(); err != nil {
			return err
		}
		return tx.PutAccount(a)
	})
	if err != nil {
		return nil, err
	}
	return describeAccount(a), nil
}

// checkName bounds a name that is shown to people.
func checkName(what, name string) error {
	switch {
	case len(name) > maxTokenNameLen:
		return refuse(http.StatusBadRequest, codeBadRequest, "the %s has more than %d bytes", what, maxTokenNameLen)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return refuse(http.StatusBadRequest, codeBadRequest, "the %s %q has characters that cannot be shown", what, name)
	}
	return nil
}

// clip shortens what a stranger sent before it is shown back.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
