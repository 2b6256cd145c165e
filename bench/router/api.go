package router

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store/control"
)

// api is the control plane over a world, called without a network.
type api struct {
	service *control.Service
	blobs   *blob.Dir
	token   string
}

func (w *world) openAPI() (_ *api, err error) {
	a := &api{}
	if a.blobs, err = blob.OpenDir(filepath.Join(w.Dir, "blobs"), blob.Options{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.blobs.Close())
		}
	}()
	a.service, err = control.New(control.Deps{
		Store: w.data.Store, Blobs: a.blobs, Hasher: w.hasher, Log: slog.New(slog.DiscardHandler),
		SealingKey: w.data.Secrets.Sealing, UploadKey: w.data.Secrets.UploadToken,
	}, control.Options{Domain: w.Domain, PublicURL: "http", DataDir: w.Dir, CompressWorkers: -1})
	if err != nil {
		return nil, err
	}
	if err := a.service.Bootstrap(context.Background()); err != nil {
		return nil, err
	}
	a.service.SetReady(true)
	token, err := os.ReadFile(filepath.Join(w.Dir, control.AdminTokenFile))
	a.token = strings.TrimSpace(string(token))
	return a, err
}

func (a *api) close() error { return a.blobs.Close() }

const account = "/client/v4/accounts/default/pages/projects/"

// call answers with the result of a call that must succeed, and the cursor of the next page, if there is one.
func (a *api) call(method, path, contentType string, body []byte, into any) (next string, err error) {
	return a.as(a.token, method, path, contentType, body, into)
}

func (a *api) as(token, method, path, contentType string, body []byte, into any) (next string, err error) {
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	a.service.Handler().ServeHTTP(rec, req)
	var answer struct {
		Success bool
		Result  json.RawMessage
		Info    struct{ Cursor string } `json:"result_info"`
	}
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &answer); err != nil || !answer.Success {
		return "", fmt.Errorf("%s %s: %d %s", method, path, rec.Code, text)
	}
	if into != nil {
		err = json.Unmarshal(answer.Result, into)
	}
	return answer.Info.Cursor, err
}

// prepare makes a deployment form for one file, whose bytes have been uploaded to the project.
func (a *api) prepare(project, content string) (contentType string, form []byte, err error) {
	key := manifest.AssetKeyOf([]byte(content), "html").String()
	var upload struct{ JWT string }
	if _, err := a.call("GET", account+project+"/upload-token", "", nil, &upload); err != nil {
		return "", nil, err
	}
	items, err := json.Marshal([]map[string]any{{
		"key": key, "value": base64.StdEncoding.EncodeToString([]byte(content)), "metadata": map[string]string{"contentType": "text/html"}, "base64": true,
	}})
	if err != nil {
		return "", nil, err
	}
	if _, err := a.as(upload.JWT, "POST", "/client/v4/pages/assets/upload", "application/json", items, nil); err != nil {
		return "", nil, err
	}
	listing, err := json.Marshal(map[string]string{"/index.html": key})
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err = errors.Join(w.WriteField("manifest", string(listing)), w.WriteField("branch", "main"), w.Close())
	return w.FormDataContentType(), b.Bytes(), err
}

// deploy publishes what prepare made and returns the deployment's ID.
func (a *api) deploy(project, contentType string, form []byte) (id string, err error) {
	var d struct{ ID string }
	_, err = a.call(http.MethodPost, account+project+"/deployments", contentType, form, &d)
	return d.ID, err
}
