// A store that encodes what is put: how it comes to its codec.
#pragma once

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// A bound store with a codec: what is put is encoded by the workers, and takes as much room as it turns out to need. `Store` has
/// name, device_type, config_type with piece and code, and for this a constructor with Store::opened.
template <class Store, body_codec Codec>
class coded_store : public Store
{
 public:
  /// As the store's; c.piece says what is encoded. Throws config_error as well where the codec cannot encode such pieces.
  coded_store(typename Store::device_type& d, const typename Store::config_type& c,
              const typename Codec::config& told = {})
      : Store(d, with_code(c, told), typename Store::opened{})
  {
  }

 private:
  [[nodiscard]] static typename Store::config_type with_code(typename Store::config_type c,
                                                             const typename Codec::config& told)
  {
    if (c.piece.values() == 0) {
      throw config_error(
          std::string(Store::name) + ".piece", 0,
          "a codec must know what it encodes: piece_of(shape, page_tokens), of the caches over the store");
    }
    c.code = code_of<Codec>(c.piece, told);
    return c;
  }
};

namespace detail {

template <class Store, class Codec>
struct with_codec
{
  using type = coded_store<Store, Codec>;
};
template <class Store>
struct with_codec<Store, codec::identity>
{
  using type = Store;
};

}  // namespace detail

/// `Store` itself where the codec is none.
template <class Store, class Codec>
using store_with_codec = typename detail::with_codec<Store, Codec>::type;

/// What was made for a type without a codec, and has none. Throws config_error.
template <class Config>
[[nodiscard]] const Config& without_code(const Config& c, std::string_view store)
{
  if (!c.code) return c;
  throw config_error(std::string(store) + ".code", c.code->mark().name(),
                     "a cache knows it by the store's type: " + std::string(store) + "<codec>");
}

}  // namespace kvstrata::stores
