package admin

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is one thing that is wrong with a catalogue.
type Problem struct {
	Path    string // such as agreements[0].product; "" where the text itself cannot be read
	Line    int    // of the file, from 1; 0 where there is no file
	Column  int
	Message string
}

func (p Problem) String() string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("[%d:%d] %s", p.Line, p.Column, text)
	}
	return text
}

// CatalogError says what is wrong with a catalogue, and where.
type CatalogError struct{ Problems []Problem }

func (e *CatalogError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// calmly turns a panic into an error: goccy/go-yaml 1.19.2 panics on some input
// that is no YAML (FuzzCatalog found "buyers: !0").
func calmly(read func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("this cannot be read as YAML: %v", cause)
		}
	}()
	return read()
}

// problems collects what is wrong with a catalogue whose form is right.
type problems struct {
	parts []part    // of the file; nil where there is none
	file  *ast.File // of the part of parts[at], parsed when a problem asks where it stands
	at    int
	found []Problem
}

// maxProblems bounds how much is said at once.
const maxProblems = 20

// add notes a problem at a path such as agreements[0].product, with the place in
// the file.
func (p *problems) add(path, format string, args ...any) {
	if len(p.found) > maxProblems {
		return
	}
	if len(p.found) == maxProblems {
		p.found = append(p.found, Problem{Message: "and more"})
		return
	}
	problem := Problem{Path: path, Message: fmt.Sprintf(format, args...)}
	if p.parts != nil {
		problem.Line, problem.Column = p.position(path)
	}
	p.found = append(p.found, problem)
}

// position finds a path in the file, or the nearest thing above it.
func (p *problems) position(path string) (line, column int) {
	of, inside := p.partOf(path)
	if of < 0 {
		return 0, 0
	}
	for path = inside; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		err := calmly(func() error {
			if p.file == nil || p.at != of {
				var err error
				if p.file, err = parser.ParseBytes(p.parts[of].text, 0); err != nil {
					return err
				}
				p.at = of
			}
			at, err := yaml.PathString("$." + path)
			if err != nil {
				return err
			}
			node, err := at.FilterFile(p.file)
			if err != nil {
				return err
			}
			start := node.GetToken().Position
			line, column = start.Line+p.parts[of].line, start.Column
			return nil
		})
		if err == nil {
			return line, column
		}
	}
	return 0, 0
}

// partOf finds the part that a path is in, and the path within it.
func (p *problems) partOf(path string) (of int, inside string) {
	end := strings.IndexAny(path+".", ".[")
	list, rest := path[:end], path[end:]
	var i int
	numbered, _ := fmt.Sscanf(rest, "[%d]", &i)
	of = -1
	for n := range p.parts {
		if l := p.parts[n].list; l == "" || l == list && p.parts[n].first <= i {
			of = n // the last that begins before it
		}
	}
	if of < 0 || numbered == 0 {
		return of, path
	}
	return of, fmt.Sprintf("%s[%d]%s", list, i-p.parts[of].first, rest[strings.IndexByte(rest, ']')+1:])
}

func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return &CatalogError{p.found}
}
