package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Document is a configuration as it is stored, with what two operators who change it at once must be told.
type Document struct {
	// Revision is that of the commit which stored it; 0: none did. Whoever changes the document says which one he saw.
	Revision uint64
	// Epoch of the migration in which it was set. What hashed was given in another epoch was given to other records.
	Epoch    uint32
	Time     time.Time
	Who, Why string
	Config   Config // without its mode
}

const (
	documentVersion  = 1
	maxDocumentBytes = 16 << 20
)

// stored is the document's JSON. Sides are texts here, so that a fault can be told with the field that has it.
type stored struct {
	Version     int               `json:"v"`
	Revision    uint64            `json:"revision"`
	Epoch       uint32            `json:"epoch"`
	Time        time.Time         `json:"time"`
	Who         string            `json:"who,omitempty"`
	Why         string            `json:"why,omitempty"`
	Percent     float64           `json:"percent"`
	Datacentres map[string]string `json:"datacentres,omitempty"`
	Sites       map[string]string `json:"sites,omitempty"`
	OptOut      []string          `json:"opt_out,omitempty"`
	Default     string            `json:"default"`
}

// Encode writes a document whose configuration is valid.
func Encode(d Document) ([]byte, error) {
	c := d.Config.clone()
	c.Mode = ModeRamp
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(stored{
		Version: documentVersion, Revision: d.Revision, Epoch: d.Epoch, Time: d.Time.UTC(), Who: d.Who, Why: d.Why,
		Percent: c.Percent, Datacentres: texts(c.Datacentres), Sites: texts(c.Sites), OptOut: c.OptOut, Default: c.Default.String(),
	})
}

func texts(m map[string]Side) map[string]string {
	out := make(map[string]string, len(m))
	for name, side := range m {
		out[name] = side.String()
	}
	return out
}

// Decode reads a document. It refuses fields that it does not know, because ignoring one could put sites on the wrong side; the
// configuration it returns is valid but for its mode, which is ModeRamp.
func Decode(raw []byte) (Document, error) {
	var s stored
	if err := unmarshal(raw, &s); err != nil {
		return Document{}, fmt.Errorf("rollout: read the configuration: %w", err)
	}
	c := Config{Mode: ModeRamp, Percent: s.Percent, OptOut: s.OptOut}
	var faults [3]error
	c.Default, faults[0] = ParseSide(s.Default)
	if faults[0] != nil {
		faults[0] = fmt.Errorf("default: %w", faults[0])
	}
	c.Datacentres, faults[1] = sides("datacentres", s.Datacentres)
	c.Sites, faults[2] = sides("sites", s.Sites)
	if err := errors.Join(faults[:]...); err != nil {
		return Document{}, fmt.Errorf("rollout: read the configuration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return Document{}, err
	}
	return Document{Revision: s.Revision, Epoch: s.Epoch, Time: s.Time, Who: s.Who, Why: s.Why, Config: c.clone()}, nil
}

func unmarshal(raw []byte, s *stored) error {
	if len(raw) > maxDocumentBytes {
		return fmt.Errorf("%d bytes, at most %d are allowed", len(raw), maxDocumentBytes)
	}
	// The version first: what a newer one added is not to be reported as a fault of the document.
	var v struct {
		Version *int `json:"v"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	switch {
	case v.Version == nil:
		return errors.New("v: missing")
	case *v.Version != documentVersion:
		return fmt.Errorf("v: version %d; this berth reads %d", *v.Version, documentVersion)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		if fault, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("%s: a JSON %s cannot be a %v", fault.Field, fault.Value, fault.Type)
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func sides(field string, m map[string]string) (map[string]Side, error) {
	var faults []error
	out := make(map[string]Side, len(m))
	for name, text := range sorted(m) {
		side, err := ParseSide(text)
		if err != nil && len(faults) < 20 {
			faults = append(faults, fmt.Errorf("%s: %q: %w", field, clip(name), err))
		}
		out[name] = side
	}
	return out, errors.Join(faults...)
}
