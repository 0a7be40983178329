package hitl

import "maps"

// With returns a new server of the same integration, added actions included, with changed options: the playground and
// suites serve an adapter to a Botpress of their own this way. The function gets the options that this server was made with.
// Both work independently. It fails as [NewServer] does.
func (s *Server) With(change func(*Options)) (*Server, error) {
	opts := s.given
	change(&opts)
	other, err := newServer(s.def, s.types, opts)
	if err != nil {
		return nil, err
	}
	other.configure, other.decodeSession, other.actions = s.configure, s.decodeSession, maps.Clone(s.actions)
	return other, nil
}
