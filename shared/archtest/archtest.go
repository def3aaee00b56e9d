// Package archtest is the fence around each room of the house: it reads the imports of every Go file of a module and
// says which ones its folder may not have, and why. The folder's path alone decides.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fence says what the files under a folder may import.
type fence struct {
	// under is a part of the path between slashes, such as "internal/core".
	under string
	// reason is shown with every violation.
	reason string
	// allowed decides on one import of a file that is no test; module is the path of the module, such as "worker".
	allowed func(module, dir, path string) bool
}

const root = "salamander.dev/"

// notPure are packages of the standard library that reach outside of the process.
var notPure = []string{"net", "os", "syscall", "log", "plugin", "runtime/cgo", "database", "unsafe", "C"}

// treaty is what core may import from shared.
var treaty = []string{"salamander.dev/shared/chat", "salamander.dev/shared/control", "salamander.dev/shared/retry", "salamander.dev/shared/secret"}

// fences, first match wins for each folder.
var fences = []fence{
	{
		under: "internal/core", reason: "core decides: it takes and returns values and knows no Discord, NATS, HTTP, environment or logger",
		allowed: func(module, _, path string) bool {
			return pure(path) || path == "golang.org/x/text/unicode/norm" || slices.Contains(treaty, path) ||
				strings.HasPrefix(path, root+module+"/internal/core/")
		},
	},
	{
		under: "internal/edge", reason: "an edge talks to one technology: it may know core and shared, never another edge, app or config",
		allowed: func(module, dir, path string) bool {
			own := root + module + "/internal/edge/" + strings.Split(after(dir, "internal/edge/"), "/")[0]
			if strings.HasPrefix(path, root+module+"/internal/edge/") {
				return path == own || strings.HasPrefix(path, own+"/")
			}
			return !strings.HasPrefix(path, root+module+"/app") && !strings.HasPrefix(path, root+module+"/internal/config") && !simulated(path)
		},
	},
	{
		under: "shared/chat", reason: "the treaty between the services uses the standard library only",
		allowed: func(_, _, path string) bool { return pure(path) || slices.Contains(treaty, path) },
	},
	{
		under: "shared/control", reason: "the treaty between the services uses the standard library only",
		allowed: func(_, _, path string) bool { return pure(path) || slices.Contains(treaty, path) },
	},
	{
		under: "shared/retry", reason: "the treaty between the services uses the standard library only",
		allowed: func(_, _, path string) bool { return pure(path) },
	},
	{
		under: "shared/secret", reason: "the treaty between the services uses the standard library only",
		allowed: func(_, _, path string) bool { return pure(path) },
	},
	{
		under: "shared/sim", reason: "simulators know nothing of our code: they are the judges",
		allowed: func(_, _, path string) bool {
			return !strings.HasPrefix(path, root) || strings.HasPrefix(path, root+"shared/sim/")
		},
	},
	{
		under: "shared", reason: "shared never imports a service, and simulators and embedded servers are for tests and deployments",
		allowed: func(_, dir, path string) bool {
			return !strings.HasPrefix(path, root+"gateway") && !strings.HasPrefix(path, root+"worker") &&
				!strings.HasPrefix(path, root+"deployments") && (!simulated(path) || strings.HasSuffix(dir, "bustest"))
		},
	},
	{
		under: "", reason: "a service's binary contains no simulator and no NATS server",
		allowed: func(module, _, path string) bool { return module == "deployments" || !simulated(path) },
	},
}

// simulated says whether a package belongs to tests and deployments only.
func simulated(path string) bool {
	return strings.HasPrefix(path, root+"shared/sim/") || strings.HasSuffix(path, "test") && strings.HasPrefix(path, root) ||
		strings.HasPrefix(path, "github.com/nats-io/nats-server")
}

// pure says whether a package is of the standard library and stays inside the process.
func pure(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	if strings.Contains(first, ".") {
		return false
	}
	return !slices.ContainsFunc(notPure, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func after(s, sep string) string {
	_, rest, _ := strings.Cut(s, sep)
	return rest
}

// Violation is one import that a folder may not have.
type Violation struct{ File, Import, Reason string }

// Check reads every file of the module that lies at dir and fails the test for each violation. module is the last part
// of the module's path. Test files, and programs under an internal folder that are a tool of their own (package main),
// may import what they need.
func Check(t *testing.T, module, dir string) {
	t.Helper()
	all, files, err := Violations(module, dir)
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("no Go file under %s: the fence guards nothing", dir)
	}
	for _, v := range all {
		t.Errorf("%s imports %s: %s", v.File, v.Import, v.Reason)
	}
}

// Violations returns what Check complains of, and how many files it read.
func Violations(module, dir string) (all []Violation, files int, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != dir) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		files++
		rel, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		place := module + "/" + filepath.ToSlash(rel)
		if f.Name.Name == "main" && strings.Contains(place, "internal/") {
			return nil
		}
		fence := fenceOf(place)
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !fence.allowed(module, place, imp) {
				all = append(all, Violation{path, imp, fence.reason})
			}
		}
		return nil
	})
	return all, files, err
}

func fenceOf(place string) fence {
	for _, f := range fences {
		if f.under == "" || strings.Contains("/"+place+"/", "/"+f.under+"/") {
			return f
		}
	}
	return fences[len(fences)-1]
}
