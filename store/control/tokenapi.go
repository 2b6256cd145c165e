package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"berth/store"
)

// TokenRequest is what a new token shall be.
type TokenRequest struct {
	Name      string    `json:"name"`
	Scope     string    `json:"scope"`      // server, account, deploy or read
	Projects  []string  `json:"projects"`   // for deploy
	ExpiresOn time.Time `json:"expires_on"` // zero: never
}

// TokenObject is a token as the API shows it.
type TokenObject struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Account    string     `json:"account_id"`
	Scope      string     `json:"scope"`
	Projects   []string   `json:"projects"`
	CreatedOn  time.Time  `json:"created_on"`
	ExpiresOn  *time.Time `json:"expires_on"`
	LastUsedOn *time.Time `json:"last_used_on"`
	Token      string     `json:"token,omitempty"` // only in the answer that creates it
}

// maxTokenProjects bounds the projects that one token names.
const maxTokenProjects = 100

func scopeName(sc store.Scope) string {
	switch sc {
	case store.ScopeServerAdmin:
		return "server"
	case store.ScopeAccountAdmin:
		return "account"
	case store.ScopeDeploy:
		return "deploy"
	case store.ScopeRead:
		return "read"
	default:
		return fmt.Sprintf("scope %d", sc)
	}
}

func parseScope(name string) (store.Scope, error) {
	for _, sc := range []store.Scope{store.ScopeServerAdmin, store.ScopeAccountAdmin, store.ScopeDeploy, store.ScopeRead} {
		if scopeName(sc) == name {
			return sc, nil
		}
	}
	return 0, refuse(http.StatusBadRequest, codeBadRequest, "token scope %q: want server, account, deploy or read", clip(name))
}

func describeToken(a store.Account, t store.Token) TokenObject {
	return TokenObject{
		ID: t.ID, Name: t.Name, Account: a.ID, Scope: scopeName(t.Scope), Projects: append([]string{}, t.Projects...),
		CreatedOn: t.Created, ExpiresOn: optionalTime(t.Expires), LastUsedOn: optionalTime(t.LastUsed),
	}
}

func (s *Service) listTokens(c *call) (any, error) {
	list := []TokenObject{}
	for t, err := range s.deps.Store.Tokens(c.account.No) {
		if err != nil {
			return nil, err
		}
		if t.Scope != store.ScopeServerAdmin || c.principal.AdministersServer() {
			list = append(list, describeToken(c.account, t))
		}
	}
	return list, nil
}

func (s *Service) createToken(c *call) (any, error) {
	var in TokenRequest
	if err := c.readJSON(&in); err != nil {
		return nil, err
	}
	if in.Scope == scopeName(store.ScopeServerAdmin) && !c.principal.AdministersServer() {
		return nil, refuse(http.StatusForbidden, codeForbidden, "only a server admin's token makes server admins")
	}
	return s.CreateToken(c.ctx, c.account, in)
}

// CreateToken makes a token for an account. Its text is in the answer and nowhere else, ever. It serves the API and,
// with the directory to itself, an operator who lost every other token.
func (s *Service) CreateToken(ctx context.Context, a store.Account, in TokenRequest) (TokenObject, error) {
	scope, err := s.checkToken(in)
	if err != nil {
		return TokenObject{}, err
	}
	text, t, err := s.mintToken()
	if err != nil {
		return TokenObject{}, err
	}
	t.Account, t.Scope, t.Name, t.Projects = a.No, scope, in.Name, in.Projects
	if !in.ExpiresOn.IsZero() {
		t.Expires = in.ExpiresOn.UTC()
	}
	_, err = s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		if err := s.tokenFits(tx, a, t); err != nil {
			return err
		}
		return tx.PutToken(t)
	})
	if err != nil {
		return TokenObject{}, err
	}
	made := describeToken(a, t)
	made.Token = text
	return made, nil
}

// checkToken checks what needs no look at the store.
func (s *Service) checkToken(in TokenRequest) (store.Scope, error) {
	scope, err := parseScope(in.Scope)
	if err != nil {
		return 0, err
	}
	if err := checkName("token name", in.Name); err != nil {
		return 0, err
	}
	switch {
	case scope == store.ScopeDeploy && len(in.Projects) == 0:
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "a deploy token names the projects it may deploy to")
	case scope != store.ScopeDeploy && len(in.Projects) > 0:
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "only a deploy token names projects; a %s token is for all of the account", in.Scope)
	case len(in.Projects) > maxTokenProjects:
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "a token names %d projects at most", maxTokenProjects)
	case !in.ExpiresOn.IsZero() && !in.ExpiresOn.After(s.now()):
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "the token would have expired already, at %s", in.ExpiresOn.Format(time.RFC3339))
	}
	return scope, nil
}

// tokenFits checks a new token against what is stored. A deploy token for a project that does not exist is a misspelt
// name more often than a plan.
func (s *Service) tokenFits(tx *store.Tx, a store.Account, t store.Token) error {
	for _, name := range t.Projects {
		p, err := tx.ProjectByName(name)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Account != a.No {
			return noProject(clip(name), a)
		}
		if err != nil {
			return err
		}
	}
	n := 0
	for _, err := range tx.Tokens(a.No) {
		if err != nil {
			return err
		}
		if n++; n >= s.opts.MaxTokens {
			return refuse(http.StatusConflict, codeLimit, "account %q has %d tokens, the limit: revoke some first", a.ID, n)
		}
	}
	return nil
}

func (s *Service) revokeToken(c *call) (any, error) {
	id := c.r.PathValue("token")
	_, err := s.deps.Store.UpdateFreeing(c.ctx, func(tx *store.Tx) error {
		t, err := tx.Token(id)
		hidden := err == nil && (t.Account != c.account.No || t.Scope == store.ScopeServerAdmin && !c.principal.AdministersServer())
		if errors.Is(err, store.ErrNotFound) || hidden {
			return refuse(http.StatusNotFound, codeNotFound, "there is no token %q in account %q", clip(id), c.account.ID)
		}
		if err != nil {
			return err
		}
		return tx.DeleteToken(id)
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}
