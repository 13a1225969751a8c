// A sample of docs/concepts/codec.md.
#include <kvstrata/codec/identity.hpp>

// A codec by another name, so that two tiers that keep the same bytes are told apart in texts.
struct plain : kvstrata::codec::identity
{
  static constexpr std::string_view name = "plain";
};
static_assert(kvstrata::body_codec<plain>);

#ifndef KVSTRATA_RIGHT
// says: codec_recipe
struct mute  // does not say whether it is lossy, nor how it codes
{
  using option_kind = kvstrata::codec_option;
  using config = kvstrata::codec::identity::config;
  static constexpr std::string_view name = "mute";
};
static_assert(kvstrata::body_codec<mute>);
#endif
