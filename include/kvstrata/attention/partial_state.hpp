// What attention over a part of the keys leaves of one query and one head, such that parts can be put together: a monoid.
//
// Keys may be cut into parts in any way (prompt and a beam's own tokens; the pieces of a split), each part attended to by
// itself, anywhere, in any order, and the states merged:
//
//   state of (A and B) = merge(state of A, state of B)      a part without keys is the identity, wherever it stands
//
// expression                       meaning
// -------------------------------- --------------------------------------------------------------------------------
// typename S::value_type           a floating point type
// s.clear(dim)                     s becomes the identity: what a part without keys leaves
// s.merge(other, dim)              s becomes the state of both parts. Associative and commutative up to rounding; with the
//                                  identity on either side exact, to the bit
// s.o                              [dim] the output, once all parts are merged
//
// A state is a view of a head's row of `dim` numbers, and of what else it needs: trivially copyable, the memory is the
// caller's. `other` may be in memory of its own only. Nothing throws or allocates; threads may merge different states at once.
//
// Models: softmax_state (carries the logarithm of its weights' sum), additive_state (SiLU attention: parts add up, as long as
// the normaliser is a constant of the model).
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class S>
concept partial_state = std::is_trivially_copyable_v<S> && std::floating_point<typename S::value_type> &&
                        requires(const S& s, const S& other, std::size_t dim) {
                          { s.o } -> std::convertible_to<const typename S::value_type*>;
                          { s.clear(dim) } noexcept -> std::same_as<void>;
                          { s.merge(other, dim) } noexcept -> std::same_as<void>;
                        };

/// Can states of type A take in those of type B? Not where they count in different logarithms.
template <class A, class B>
concept merges_with = requires(const A& a, const B& b, std::size_t dim) { a.merge(b, dim); };

}  // namespace kvstrata
