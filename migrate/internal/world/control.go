package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"berth/assets/blob"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// Plane is the control plane of a world, asked as its clients ask it.
type Plane struct {
	handler http.Handler
	token   string
	service *control.Service
	blobs   *blob.Dir
}

// Control starts one, whose files are in dir. Another one over the same world, or over what a crash left of it, goes on with them.
func (w *World) Control(dir string) (*Plane, error) {
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"), blob.Options{})
	if err != nil {
		return nil, err
	}
	s, err := control.New(control.Deps{
		Store: w.Store, Blobs: blobs, Hasher: w.Hasher, Routes: authorised{w.Writer},
		RoutesSet: func(*store.Reader) control.RouteState { return control.RoutesPartial }, SealingKey: [32]byte{1}, UploadKey: [32]byte{2},
	}, control.Options{DataDir: dir, Domain: Domain})
	if err == nil {
		err = s.Bootstrap(context.Background())
	}
	var token []byte
	if err == nil {
		token, err = os.ReadFile(filepath.Join(dir, control.AdminTokenFile))
	}
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return &Plane{handler: s.Handler(), token: strings.TrimSpace(string(token)), service: s, blobs: blobs}, nil
}

// Close lets its files go.
func (p *Plane) Close() error { return p.blobs.Close() }

// Delete asks for something of a project to be deleted: "" for the project itself. It reports whether it was, and not refused.
func (p *Plane) Delete(no store.ProjectNo, what string) (bool, error) {
	r := httptest.NewRequest(http.MethodDelete, "/client/v4/accounts/default/pages/projects/"+ProjectName(no)+what, nil)
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, r)
	switch answer.Code {
	case http.StatusOK:
		return true, nil
	case http.StatusConflict, http.StatusNotFound:
		return false, nil
	}
	text, err := io.ReadAll(answer.Body)
	return false, errors.Join(err, fmt.Errorf("delete %s of project %d: status %d: %s", what, no, answer.Code, text))
}

// Extra returns the records that the control plane cannot explain, while not all hosts need have one.
func (p *Plane) Extra() (problems []string, err error) {
	_, err = p.service.Fsck(context.Background(), control.FsckOptions{SkipContent: true}, func(x control.Problem) {
		if x.Class == control.ProblemExtra || x.Class == control.ProblemDifferent {
			problems = append(problems, x.String())
		}
	})
	return problems, err
}

// authorised writes down, in the same batch, what every host of a change must be answered by from then on.
type authorised struct{ control.RouteWriter }

func (a authorised) Apply(ctx context.Context, tx *store.Tx, c control.Change) error {
	for _, r := range c.Routes {
		var to store.Route
		if r.Route != nil {
			to = *r.Route
		}
		if err := decide(tx, nameOf(r.Host, r.Wildcard), to); err != nil {
			return err
		}
	}
	return a.RouteWriter.Apply(ctx, tx, c)
}

// Free is told of hosts that may lead elsewhere by now: those stay.
func (a authorised) Free(ctx context.Context, tx *store.Tx, p store.ProjectNo, hosts []store.ImportedHost) error {
	for _, h := range hosts {
		name := nameOf(hostkey.Host(h.Host), h.Wildcard)
		is, err := decided(&tx.Reader, name)
		if err == nil && is.Deployment == h.Deployment {
			err = decide(tx, name, store.Route{})
		}
		if err != nil {
			return err
		}
	}
	return a.RouteWriter.Free(ctx, tx, p, hosts)
}

func nameOf(h hostkey.Host, wildcard bool) string {
	if wildcard {
		return "*." + string(h)
	}
	return string(h)
}
