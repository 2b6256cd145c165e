package control

// skip reads any value and forgets it. depth is that of the value.
func (s *jsonStream) skip(depth int) error {
	c, err := s.token()
	if err != nil {
		return err
	}
	if depth > maxJSONDepth {
		return jsonError("values are nested too deeply")
	}
	switch {
	case c == '{':
		return s.skipObject(depth)
	case c == '[':
		return s.skipArray(depth)
	case c == '"':
		return s.chars(func([]byte) error { return nil })
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	default:
		return s.literal()
	}
}

// members walks an object and calls f with each name, to read the value.
func (s *jsonStream) members(most int, f func(name string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more('}', first)
		if err != nil || !ok {
			return err
		}
		name, err := s.text(most)
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
	}
}

// elements walks an array and calls f to read each value.
func (s *jsonStream) elements(f func(i int) error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		ok, err := s.more(']', i == 0)
		if err != nil || !ok {
			return err
		}
		if err := f(i); err != nil {
			return err
		}
	}
}

func (s *jsonStream) skipObject(depth int) error {
	return s.members(0, func(string) error { return s.skip(depth + 1) })
}

func (s *jsonStream) skipArray(depth int) error {
	return s.elements(func(int) error { return s.skip(depth + 1) })
}

// literal reads true, false or null.
func (s *jsonStream) literal() error {
	for _, word := range []string{"true", "false", "null"} {
		if c, err := s.peek(); err != nil {
			return err
		} else if c == word[0] {
			return s.word(word)
		}
	}
	return jsonError("want a value here")
}

func (s *jsonStream) word(word string) error {
	for i := range len(word) {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c != word[i] {
			return jsonError("want " + word + " here")
		}
		s.pos++
	}
	return nil
}

// boolean reads true or false.
func (s *jsonStream) boolean() (bool, error) {
	c, err := s.token()
	switch {
	case err != nil:
		return false, err
	case c == 't':
		return true, s.word("true")
	case c == 'f':
		return false, s.word("false")
	default:
		return false, jsonError("want true or false here")
	}
}

// number reads a number as RFC 8259 section 6 has it.
func (s *jsonStream) number() error {
	if err := s.optional("-"); err != nil {
		return err
	}
	zero, err := s.one("0")
	if err != nil {
		return err
	}
	if !zero {
		if err := s.digits(); err != nil {
			return err
		}
	}
	if dot, err := s.oneOrEnd("."); err != nil {
		return err
	} else if dot {
		if err := s.digits(); err != nil {
			return err
		}
	}
	exponent, err := s.oneOrEnd("eE")
	if err != nil || !exponent {
		return err
	}
	if err := s.optional("+-"); err != nil {
		return err
	}
	return s.digits()
}

func (s *jsonStream) optional(set string) error {
	_, err := s.one(set)
	return err
}

// one takes the next byte if it is in set.
func (s *jsonStream) one(set string) (bool, error) {
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	for i := range len(set) {
		if c == set[i] {
			s.pos++
			return true, nil
		}
	}
	return false, nil
}

// oneOrEnd is one where the text may end too.
func (s *jsonStream) oneOrEnd(set string) (bool, error) {
	ok, err := s.one(set)
	if err == errBrokenOff {
		return false, nil
	}
	return ok, err
}

// digits takes one digit or more.
func (s *jsonStream) digits() error {
	for n := 0; ; n++ {
		ok, err := s.oneOrEnd("0123456789")
		if err != nil {
			return err
		}
		if !ok {
			if n == 0 {
				return jsonError("want a digit here")
			}
			return nil
		}
	}
}
