package message

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// Validate reports every field of a message that the HITL interface would reject, with its path in
// the JSON: "card.actions[1].label: must not be empty". Use it on messages that you send, not on
// messages that you receive. An [Unknown] must have a kind and a JSON object as its payload.
//
// The rules are those of the interface's schemas, version 2.1.0.
func Validate(m Message) error {
	m, err := value(m)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	var c checker
	c.message(string(m.Type()), m)
	return errors.Join(c.problems...)
}

type checker struct {
	problems []error
}

func (c *checker) require(ok bool, path, rule string) {
	if !ok {
		c.problems = append(c.problems, errors.New(path+": "+rule))
	}
}

func (c *checker) notEmpty(path, s string) { c.require(s != "", path, "must not be empty") }

func (c *checker) message(path string, m Message) {
	switch m := m.(type) {
	case Text:
		c.notEmpty(path+".text", m.Text)
	case Markdown:
		c.notEmpty(path+".markdown", m.Markdown)
	case Image:
		c.notEmpty(path+".imageUrl", m.ImageURL)
	case Audio:
		c.notEmpty(path+".audioUrl", m.AudioURL)
	case Video:
		c.notEmpty(path+".videoUrl", m.VideoURL)
	case File:
		c.notEmpty(path+".fileUrl", m.FileURL)
	case Location:
		c.require(isFinite(m.Latitude), path+".latitude", "must be a finite number")
		c.require(isFinite(m.Longitude), path+".longitude", "must be a finite number")
	case Card:
		c.card(path, m)
	case Carousel:
		for i, card := range m.Items {
			c.card(fmt.Sprintf("%s.items[%d]", path, i), card)
		}
	case Choice:
		c.question(path, m.Text, m.Options)
	case Dropdown:
		c.question(path, m.Text, m.Options)
	case Bloc:
		for i, item := range m.Items {
			at := fmt.Sprintf("%s.items[%d]", path, i)
			v, err := value(item)
			if err != nil {
				c.require(false, at, err.Error())
				continue
			}
			c.message(at, v)
		}
	case Unknown:
		c.unknown(path, m)
	}
}

func (c *checker) card(path string, card Card) {
	c.notEmpty(path+".title", card.Title)
	for i, a := range card.Actions {
		at := fmt.Sprintf("%s.actions[%d]", path, i)
		known := a.Kind == ActionPostback || a.Kind == ActionURL || a.Kind == ActionSay
		c.require(known, at+".action", "must be postback, url or say")
		c.notEmpty(at+".label", a.Label)
		c.notEmpty(at+".value", a.Value)
	}
}

func (c *checker) question(path, text string, options []Option) {
	c.notEmpty(path+".text", text)
	for i, o := range options {
		at := fmt.Sprintf("%s.options[%d]", path, i)
		c.notEmpty(at+".label", o.Label)
		c.notEmpty(at+".value", o.Value)
	}
}

func (c *checker) unknown(path string, u Unknown) {
	if u.Kind == "" {
		path = cmp.Or(path, "unknown")
		c.require(false, path, "must have a type")
	}
	_, isObject := readObject(u.Payload)
	c.require(isObject, path+".payload", "must be a JSON object")
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
