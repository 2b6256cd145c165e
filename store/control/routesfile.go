package control

import (
	"fmt"
	"io"
	"net/http"

	"berth/assets/rules"
	"berth/store"
)

// readRoutes reads a _routes.json. What is wrong with it is told later: only the whole form says whether it matters.
func readRoutes(r io.Reader, limits rules.Options) (rules.Report, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return rules.Report{}, err
	}
	_, report := rules.ParseRoutes(string(text), limits)
	return report, nil
}

// settleRoutes decides on the form's _routes.json, which says which requests reach the functions. A server that guessed
// what a wrong one means would run code for pages, or pages for code: the deployment is refused, as the original does.
// Without functions it says nothing, right or wrong, and is left out.
func (f *formReader) settleRoutes() error {
	form := &f.form
	problems := form.RoutesReport.Problems
	switch {
	case form.Routes == store.FileRef{}:
		return nil
	case form.WorkerBundle == store.FileRef{}:
		form.Routes = store.FileRef{}
		form.Notes = append(form.Notes, fmt.Sprintf("%s is ignored: it says where Functions run, and this deployment has none.", rules.RoutesFile))
		for _, p := range problems {
			form.Notes = append(form.Notes, p.String())
		}
		return nil
	case len(problems) > 0:
		return refuse(http.StatusBadRequest, codeBadRequest, "%s; nothing was published", problems[0])
	}
	return nil
}
