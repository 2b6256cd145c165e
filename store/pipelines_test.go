package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever order names are set in, to what there is and what there is not, both records of them say the same of every deployment
// that there is.
func TestPipelines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := openMem(t, vfs.NewMem(), Options{})
		defer s.Close()
		projects := [2]ProjectNo{}
		update(t, s, func(tx *Tx) (err error) {
			for i := range projects {
				if projects[i], err = tx.NextProject(); err != nil {
					return err
				}
				if err := tx.PutProject(Project{No: projects[i], Account: 1, Name: fmt.Sprint("p", i), State: ProjectActive}); err != nil {
					return err
				}
			}
			return nil
		})
		of := map[DeploymentNo]ProjectNo{} // 0: deleted
		model := map[string]DeploymentNo{}
		var nos []DeploymentNo
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				p := rapid.SampledFrom(projects[:]).Draw(rt, "project")
				update(t, s, func(tx *Tx) error {
					no, err := tx.NextDeployment()
					if err != nil {
						return err
					}
					nos, of[no] = append(nos, no), p
					return tx.PutDeployment(Deployment{No: no, Project: p, UUID: UUID{byte(no)}, Environment: Production, Status: StatusSuccess}, nil)
				})
			case 1:
				if len(nos) == 0 {
					continue
				}
				no := rapid.SampledFrom(nos).Draw(rt, "deployment")
				if of[no] != 0 {
					update(t, s, func(tx *Tx) error { return tx.DeleteDeployment(no) })
					of[no] = 0
				}
			case 2:
				name := rapid.SampledFrom(pipelineNames).Draw(rt, "name")
				update(t, s, func(tx *Tx) error { return tx.DeletePipeline(name) })
				delete(model, name)
			default:
				if len(nos) == 0 {
					continue
				}
				var set []PipelineName
				var want []DeploymentNo
				for range rapid.IntRange(1, 5).Draw(rt, "names") {
					n := PipelineName{rapid.SampledFrom(pipelineNames).Draw(rt, "name"), rapid.SampledFrom(nos).Draw(rt, "deployment")}
					set, want = append(set, n), append(want, model[n.Name])
					model[n.Name] = n.Deployment
				}
				before := s.Snapshot()
				indexes := [2]*PipelinesOf{}
				for i, p := range projects {
					var err error
					if indexes[i], err = before.PipelinesOf(p, 100); err != nil {
						rt.Fatal(err)
					}
				}
				before.Close()
				update(t, s, func(tx *Tx) error {
					was, err := tx.SetPipelines(set)
					if diff := cmp.Diff(want, was); diff != "" {
						rt.Error(diff)
					}
					return err
				})
				changed := false
				for i, n := range set {
					changed = changed || want[i] != n.Deployment
				}
				for _, x := range indexes {
					if same, err := x.Current(&s.Reader); same == changed || err != nil {
						rt.Fatalf("names of before are current: %v, %v; changed %v", same, err, changed)
					}
				}
			}
			checkPipelines(rt, s, model, of, projects)
		}
	})
}

var pipelineNames = []string{"a", "ab", "abc", "b", "0123456789abcdef0123456789abcdef"}

func checkPipelines(t *rapid.T, s *Store, model map[string]DeploymentNo, of map[DeploymentNo]ProjectNo, projects [2]ProjectNo) {
	for _, name := range pipelineNames {
		no, err := s.Pipeline(name)
		if no != model[name] || (err != nil) != (model[name] == 0) {
			t.Fatalf("%s is %d, %v; want %d", name, no, err, model[name])
		}
	}
	for _, p := range projects {
		x, err := s.PipelinesOf(p, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pipelineNames {
			no, ok := x.Find(name)
			switch {
			case ok && of[no] != 0 && (no != model[name] || of[no] != p):
				t.Fatalf("project %d: %s is %d of project %d, want %d", p, name, no, of[no], model[name])
			case !ok && model[name] != 0 && of[model[name]] == p:
				t.Fatalf("project %d: %s is not found, want %d", p, name, model[name])
			}
		}
	}
}

func TestPipelinesOfDamage(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, putSamples)
	update(t, s, func(tx *Tx) error {
		_, err := tx.SetPipelines([]PipelineName{{"a", 7}, {"b", 7}, {"later", 8}})
		return err
	})
	faults := func() (tables []string) {
		for f, err := range s.IndexFaults() {
			if err != nil {
				tables = append(tables, "damaged")
			} else {
				tables = append(tables, f.Table)
			}
		}
		return tables
	}
	if got := faults(); len(got) > 0 {
		t.Errorf("sound: %v", got)
	}
	if x, err := s.PipelinesOf(3, 1); err != nil || len(x.of) != 1 {
		t.Errorf("%+v, %v", x, err)
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.set(keyString(tablePipeline, "a"), []byte{0xff}), tx.set(pipelineOfKey(3, "b"), []byte{0xff}), tx.set(pipelineOfKey(4, "x"), encodeNumber(DeploymentNo(7))))
	})
	if diff := cmp.Diff([]string{"damaged", "damaged", "damaged", "names of the old design by project"}, sortedStrings(faults())); diff != "" {
		t.Error(diff)
	}
	x, err := s.PipelinesOf(3, 100)
	if err != nil {
		t.Fatal(err)
	}
	if no, ok := x.Find("b"); ok {
		t.Errorf("a damaged record is %d", no)
	}
	for _, name := range []string{"a", "b", "later", "none"} {
		update(t, s, func(tx *Tx) error { return tx.DeletePipeline(name) })
	}
	if left, err := collect(s.Pipelines("")); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	update(t, s, func(tx *Tx) error { return tx.DeletePipelines() })
	if same, err := x.Current(&s.Reader); same || err != nil {
		t.Errorf("current after all are gone: %v, %v", same, err)
	}
	if got := faults(); len(got) > 0 {
		t.Errorf("all gone: %v", got)
	}
}

func sortedStrings(s []string) []string {
	slices.Sort(s)
	return s
}
