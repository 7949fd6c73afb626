package main

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// How the nodes of a file of regions are read. Whatever has another form than was
// asked for is a problem, and reads as if it were not there.

// fields are the values of a mapping, which has no others than those known.
func (f *regionsFile) fields(pairs []*ast.MappingValueNode, known ...string) map[string]ast.Node {
	all := make(map[string]ast.Node)
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		switch {
		case !slices.Contains(known, key):
			f.add(pair.Key, "%q is none of %s", key, strings.Join(known, ", "))
		case all[key] != nil: // of two spellings of one key, which the parser takes for two
			f.add(pair.Key, "%s is given twice", key)
		default:
			all[key] = pair.Value
		}
	}
	return all
}

// mapping is nil if the node is something else.
func (f *regionsFile) mapping(node ast.Node, known ...string) map[string]ast.Node {
	switch node := node.(type) {
	case *ast.MappingNode:
		return f.fields(node.Values, known...)
	case *ast.MappingValueNode:
		return f.fields([]*ast.MappingValueNode{node}, known...)
	}
	f.add(node, "this is not lines of the form name: value, with the names %s", strings.Join(known, ", "))
	return nil
}

// list is the elements of a list; of none, if the node is absent.
func (f *regionsFile) list(node ast.Node, name string) []ast.Node {
	if node == nil {
		return nil
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		f.add(node, "%s: it is not a list", name)
		return nil
	}
	return list.Values
}

// item is one text of a list, with its place.
type item struct {
	ast.Node
	text string
}

// texts is a list of different texts, which if it is there is not empty.
func (f *regionsFile) texts(node ast.Node, name string) []item {
	var all []item
	nodes := f.list(node, name)
	if list, ok := node.(*ast.SequenceNode); ok && len(nodes) == 0 {
		f.add(list, "%s: the list is empty", name)
	}
	for _, node := range nodes {
		text := f.text(node, name)
		if slices.ContainsFunc(all, func(i item) bool { return i.text == text }) && text != "" {
			f.add(node, "%s: %s is there twice", name, text)
			continue
		}
		if text != "" {
			all = append(all, item{node, text})
		}
	}
	return all
}

// text is a plain value that is not empty; "" if it is something else.
func (f *regionsFile) text(node ast.Node, name string) string {
	text, err := textOf(node)
	switch {
	case err != nil:
		f.add(node, "%s: %v", name, err)
	case text == "":
		f.add(node, "%s: the value is empty", name)
	}
	return text
}

// need is the text of a field that must be there.
func (f *regionsFile) need(at ast.Node, fields map[string]ast.Node, name string) string {
	if fields[name] == nil {
		f.add(at, "%s is missing", name)
		return ""
	}
	return f.text(fields[name], name)
}

// word is a text that is one of a few.
func (f *regionsFile) word(node ast.Node, name string, of ...string) string {
	text := f.text(node, name)
	if text != "" && !slices.Contains(of, text) {
		f.add(node, "%s: %q is none of %s", name, text, strings.Join(of, ", "))
	}
	return text
}

func (f *regionsFile) source(fields map[string]ast.Node) string {
	if fields["source"] == nil {
		return ""
	}
	return f.text(fields["source"], "source")
}
