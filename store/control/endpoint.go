package control

import (
	"context"
	"net/http"

	"berth/store"
)

// Need is what an endpoint asks of the caller's token.
type Need uint8

// need is Need within the package.
type need = Need

const (
	needNothing     need = iota
	needAnyToken         // any live token
	needRead             // may read {account}, or {project} where the pattern names one
	needDeploy           // may deploy to {project}
	needAccount          // administers {account}
	needServer           // administers the server
	needUploadToken      // the upload JWT of the asset calls
)

// What Extra may ask of the caller's token.
const (
	NeedNothing  = needNothing
	NeedAnyToken = needAnyToken
	NeedRead     = needRead
	NeedDeploy   = needDeploy
	NeedAccount  = needAccount
	NeedServer   = needServer
)

// call is one API request after authentication. account and project are set when the pattern names them; a project
// that is being deleted is refused before the handler is called.
type call struct {
	w         http.ResponseWriter
	r         *http.Request
	ctx       context.Context
	principal Principal
	account   store.Account
	project   store.Project
	upload    uploadClaims // needUploadToken only; project and account are set too
	info      *resultInfo  // the handler may set it
	body      *body        // what r.Body is; see call.allowBody
}

// handler answers a call with the envelope's result. A nil result with a nil error is `"result": null`.
type handler func(*call) (any, error)

// endpoint is one line of the API's table.
type endpoint struct {
	pattern string // as net/http.ServeMux takes it, below /client/v4; {account} and {project} are looked up and authorised
	need    need
	serve   handler
}

// endpoints is the whole API. Each group stands in the file that serves it.
func (s *Service) endpoints() []endpoint {
	var all []endpoint
	all = append(all, s.userEndpoints()...)       // whoami, accounts, tokens          users.go
	all = append(all, s.projectEndpoints()...)    // projects, settings, domains       projects.go, domains.go
	all = append(all, s.assetEndpoints()...)      // upload-token, check-missing, …    assets.go
	all = append(all, s.deploymentEndpoints()...) // deployments, logs, rollback       deployments.go
	all = append(all, s.operatorEndpoints()...)   // fsck, sweep                       operate.go
	return append(all, s.extra...)
}

// Extra adds an endpoint below /client/v4 that another package serves, behind this one's authentication, envelope and
// bounds. An error that is an *Error is shown to the caller; any other is internal. It must be called before Handler.
func (s *Service) Extra(pattern string, n Need, f func(context.Context, Principal, *http.Request) (any, error)) {
	s.extra = append(s.extra, endpoint{pattern, n, func(c *call) (any, error) {
		return f(c.ctx, c.principal, c.r)
	}})
}

// ExtraUpload is Extra for a call whose body may have up to limit bytes; what says in words what is limited. The handler reads it as it comes.
func (s *Service) ExtraUpload(pattern string, n Need, limit int64, what string, f func(context.Context, Principal, *http.Request) (any, error)) {
	s.extra = append(s.extra, endpoint{pattern, n, func(c *call) (any, error) {
		if err := c.allowBody(limit, what); err != nil {
			return nil, err
		}
		return f(c.ctx, c.principal, c.r)
	}})
}
