package main

import (
	"bytes"
	"encoding/json"
)

// A JSON document that keeps order, doubled keys and odd text, as no encoder would write it.
type node interface{ write(*bytes.Buffer) }

type raw string // as it stands in the document

type list struct{ items []node }

type members struct{ all []member }

type member struct {
	key   string // as it stands in the document, with its quotes
	value node
}

func (r raw) write(out *bytes.Buffer) { out.WriteString(string(r)) }

func (l *list) write(out *bytes.Buffer) {
	out.WriteByte('[')
	for index, item := range l.items {
		if index > 0 {
			out.WriteByte(',')
		}
		item.write(out)
	}
	out.WriteByte(']')
}

func (m *members) write(out *bytes.Buffer) {
	out.WriteByte('{')
	for index, one := range m.all {
		if index > 0 {
			out.WriteByte(',')
		}
		out.WriteString(one.key + ":")
		one.value.write(out)
	}
	out.WriteByte('}')
}

func text(n node) []byte {
	var out bytes.Buffer
	n.write(&out)
	return out.Bytes()
}

func quoted(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err)
	}
	return string(bytes.TrimSpace(out.Bytes()))
}

// value is a node of Go's own values; keys of a pairs value keep their order.
func value(from any) node {
	switch from := from.(type) {
	case node:
		return from
	case pairs:
		made := &members{}
		for index := 0; index < len(from); index += 2 {
			made.all = append(made.all, member{quoted(from[index].(string)), value(from[index+1])})
		}
		return made
	case []any:
		made := &list{}
		for _, item := range from {
			made.items = append(made.items, value(item))
		}
		return made
	case string:
		return raw(quoted(from))
	default:
		encoded, err := json.Marshal(from)
		if err != nil {
			panic(err)
		}
		return raw(encoded)
	}
}

// pairs is an object: key, value, key, value…
type pairs []any

func (m *members) get(key string) node {
	for _, one := range m.all {
		if one.key == quoted(key) {
			return one.value
		}
	}
	return nil
}

func (m *members) set(key string, to any) {
	for index, one := range m.all {
		if one.key == quoted(key) {
			m.all[index].value = value(to)
			return
		}
	}
	m.add(key, to)
}

func (m *members) add(key string, to any) { m.all = append(m.all, member{quoted(key), value(to)}) }

func (m *members) drop(key string) {
	for index, one := range m.all {
		if one.key == quoted(key) {
			m.all = append(m.all[:index:index], m.all[index+1:]...)
			return
		}
	}
}

func (m *members) rename(key, to string) {
	for index, one := range m.all {
		if one.key == quoted(key) {
			m.all[index].key = quoted(to)
		}
	}
}

// objects are all objects of a tree, the outermost first.
func objects(n node) []*members {
	switch n := n.(type) {
	case *list:
		var found []*members
		for _, item := range n.items {
			found = append(found, objects(item)...)
		}
		return found
	case *members:
		found := []*members{n}
		for _, one := range n.all {
			found = append(found, objects(one.value)...)
		}
		return found
	}
	return nil
}

// copied is a tree of its own.
func copied(n node) node {
	switch n := n.(type) {
	case *list:
		made := &list{}
		for _, item := range n.items {
			made.items = append(made.items, copied(item))
		}
		return made
	case *members:
		made := &members{}
		for _, one := range n.all {
			made.all = append(made.all, member{one.key, copied(one.value)})
		}
		return made
	}
	return n
}
