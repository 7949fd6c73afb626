package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/knadh/koanf/providers/confmap"
)

// fileLayer reads the configuration file: one mapping in YAML, of settings to
// plain values or lists of them. It goes by the syntax tree, which knows where
// each key stands.
func (r *reading) fileLayer(path string, byFlag bool) layer {
	l := newLayer()
	if path == "" {
		return l
	}
	source, err := os.ReadFile(path)
	if err != nil {
		origin := configVariable
		if byFlag {
			origin = "--config"
		}
		r.add(origin, err)
		return l
	}
	pairs, err := parsePairs(source)
	var syntax yaml.Error
	switch {
	case errors.As(err, &syntax):
		at := syntax.GetToken().Position
		r.add(place(path, at.Line, at.Column), errors.New(syntax.GetMessage()))
		return l
	case err != nil:
		r.add(path, err)
		return l
	}
	known := make([]string, len(settings))
	for i := range settings {
		known[i] = settings[i].name
	}
	all := make(map[string]any)
	for _, pair := range pairs {
		key := pair.Key.GetToken()
		origin := place(path, key.Position.Line, key.Position.Column)
		s := settingNamed(key.Value)
		if s == nil {
			r.add(origin, fmt.Errorf("there is no setting %q%s", key.Value, meant(key.Value, known)))
			continue
		}
		if l.origins[s.name] != "" { // of two spellings of one key, which the parser takes for two
			r.add(origin, fmt.Errorf("%s is given twice", s.name))
			continue
		}
		texts, err := textsOf(pair.Value, s.list())
		if err != nil {
			r.add(origin+": "+s.name, err)
			continue
		}
		all[s.name], l.origins[s.name] = texts, origin
	}
	return r.load(l, confmap.Provider(all, ""))
}

// parsePairs parses the file, which may be empty. goccy/go-yaml 1.19.2 panics on
// some input that is no YAML.
func parsePairs(source []byte) (pairs []*ast.MappingValueNode, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("this cannot be read as YAML: %v", cause)
		}
	}()
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return nil, err
	}
	for i, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.MappingNode:
			pairs = append(pairs, body.Values...)
		case *ast.MappingValueNode:
			pairs = append(pairs, body)
		default:
			return nil, problemAt(body.GetToken(), "a configuration is lines of the form name: value")
		}
		if i > 0 && doc.Body != nil {
			return nil, problemAt(doc.Body.GetToken(), "a configuration is one document: this is another")
		}
	}
	return pairs, nil
}

func problemAt(t *token.Token, message string) error {
	return &yaml.SyntaxError{Message: message, Token: t}
}

// textsOf is what a value was written as.
func textsOf(node ast.Node, list bool) ([]string, error) {
	switch node := node.(type) {
	case *ast.SequenceNode:
		if !list {
			return nil, errors.New("it is a list; it takes one value")
		}
		texts := []string{}
		for _, item := range node.Values {
			text, err := textOf(item)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text)
		}
		return texts, nil
	default:
		text, err := textOf(node)
		if err != nil {
			return nil, err
		}
		if list {
			return splitList(text), nil
		}
		return []string{text}, nil
	}
}

func textOf(node ast.Node) (string, error) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, nil
	case *ast.LiteralNode:
		return node.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New("it has no value; leave the line out, or write \"\" for an empty one")
	}
	return "", errors.New("it is not a plain value: text, number, true or false")
}
