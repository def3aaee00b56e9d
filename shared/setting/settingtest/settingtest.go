// Package settingtest keeps docs/settings.md true: the tables in it are made from the structs that the settings are read
// into, and a test compares the two. Rewrite the tables with
//
//	go test ./shared/setting ./gateway/internal/config ./worker/internal/config -run Documented -update
package settingtest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/settings.md")

// Documented checks that the section of the page doc, between the lines `<!-- begin section -->` and
// `<!-- end section -->`, is the table of the struct named typ in the Go file source.
func Documented(t *testing.T, doc, section, source, typ string) {
	t.Helper()
	want := table(t, source, typ)
	page, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+section+" -->\n", "<!-- end "+section+" -->"
	head, rest, ok := strings.Cut(string(page), begin)
	got, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no section %q: it needs the lines %q and %q", doc, section, strings.TrimSpace(begin), end)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("%s, section %q, is not what %s says; run the test with -update.\nIt must be:\n%s", doc, section, source, want)
	}
	if err := os.WriteFile(doc, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is the Markdown table of a struct's fields: the variable and the default of the tags, the meaning of the comment.
func table(t *testing.T, source, typ string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	object := file.Scope.Lookup(typ)
	if object == nil {
		t.Fatalf("%s declares no %s", source, typ)
	}
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, f := range object.Decl.(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
		if f.Tag == nil {
			continue
		}
		raw, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		tag := reflect.StructTag(raw)
		variable, options, _ := strings.Cut(tag.Get("env"), ",")
		if variable == "" || variable == "-" {
			continue
		}
		meaning := strings.Join(strings.Fields(f.Doc.Text()), " ")
		if meaning == "" {
			t.Errorf("%s: %s has no comment that says what it means", source, variable)
		}
		standard := tag.Get("envDefault")
		switch {
		case strings.Contains(options, "required"):
			standard = "required"
		case standard != "":
			standard = "`" + standard + "`"
		}
		name := "`" + variable + "`"
		if isSecret(f.Type) {
			name += ", `" + variable + "_FILE`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, standard, strings.ReplaceAll(meaning, "|", `\|`))
	}
	return b.String()
}

func isSecret(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "secret"
}
