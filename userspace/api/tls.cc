// SPDX-License-Identifier: Apache-2.0
#include "tls.h"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/prov_ssl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/types.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/context_base.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <ctime>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "private_file.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr long kDay = 24L * 60 * 60;        // seconds
constexpr long kValid = 3650 * kDay;        // of a new certificate
constexpr std::time_t kEnough = 30 * kDay;  // that one must still be valid
constexpr int kSerialBits = 127;
constexpr std::size_t kTokenBytes = 32;

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free>>;

tl::unexpected<Error> FailTls(std::string_view what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return Fail(std::string(what) + ": " + text.data());
}

std::string TextOf(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool AddExtension(X509* certificate, int name, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, name, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetNameAndSerial(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const Number serial(BN_new());
  const auto* vsplit = reinterpret_cast<const unsigned char*>("vsplit");  // as OpenSSL has texts
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, vsplit, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && serial != nullptr &&
         BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

Result<Identity> MakeIdentity(const std::string& address) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  const bool made =
      key != nullptr && certificate != nullptr &&
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      SetNameAndSerial(certificate.get()) &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValid) != nullptr &&
      X509_set_pubkey(certificate.get(), key.get()) == 1 &&
      AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE") &&
      AddExtension(certificate.get(), NID_key_usage, "critical,digitalSignature,keyCertSign") &&
      AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
      AddExtension(certificate.get(), NID_subject_key_identifier, "hash") &&
      AddExtension(certificate.get(), NID_subject_alt_name,
                   "IP:127.0.0.1,IP:::1,DNS:localhost,IP:" + address) &&
      X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0;
  if (!made) {
    return FailTls("make a certificate");
  }
  const Memory memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || PEM_write_bio_X509(memory.get(), certificate.get()) != 1) {
    return FailTls("write a certificate");
  }
  Identity identity{.pem = "", .certificate = TextOf(memory.get())};
  if (PEM_write_bio_PKCS8PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return FailTls("write a key");
  }
  identity.pem = TextOf(memory.get());
  return identity;
}

// The certificate of a file that serves on, else nothing.
std::string UsableCertificate(const std::string& pem, const std::string& address) {
  // Read twice: either may come first.
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Memory again(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  const Key key(PEM_read_bio_PrivateKey(again.get(), nullptr, nullptr, nullptr));
  std::time_t then = std::time(nullptr) + kEnough;
  const bool usable = certificate != nullptr && key != nullptr &&
                      X509_check_private_key(certificate.get(), key.get()) == 1 &&
                      X509_cmp_time(X509_get0_notAfter(certificate.get()), &then) > 0 &&
                      X509_check_ip_asc(certificate.get(), address.c_str(), 0) == 1;
  // Written anew, since what it goes to is open to more readers than the file with the key.
  const Memory text(BIO_new(BIO_s_mem()));
  const bool written =
      usable && text != nullptr && PEM_write_bio_X509(text.get(), certificate.get()) == 1;
  ERR_clear_error();
  return written ? TextOf(text.get()) : "";
}

}  // namespace

Result<Identity> FindIdentity(const std::string& file, const std::string& address) {
  std::ifstream stream(file, std::ios::binary);
  const std::string pem{std::istreambuf_iterator<char>(stream), {}};
  if (std::string certificate = UsableCertificate(pem, address); !certificate.empty()) {
    return Identity{.pem = pem, .certificate = std::move(certificate)};
  }
  Result<Identity> identity = MakeIdentity(address);
  if (!identity) {
    return identity;
  }
  if (const Result<void> kept = WritePrivateFile(file, identity->pem, S_IRUSR | S_IWUSR, "");
      !kept) {
    return tl::unexpected<Error>(kept.error());
  }
  return identity;
}

Result<boost::asio::ssl::context> MakeTlsContext(const Identity& identity) {
  boost::asio::ssl::context context(boost::asio::ssl::context_base::tls_server);
  boost::system::error_code error;
  const auto pem = boost::asio::buffer(identity.pem);
  context.use_certificate_chain(pem, error);
  if (!error) {
    context.use_private_key(pem, boost::asio::ssl::context_base::pem, error);
  }
  if (error) {
    return Fail("use a certificate: " + error.message());
  }
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
  return context;
}

Result<std::string> MakeToken() {
  std::array<unsigned char, kTokenBytes> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return FailTls("make a token");
  }
  std::string token =
      Base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});  // bytes as text
  std::ranges::replace(token, '+', '-');
  std::ranges::replace(token, '/', '_');
  return token.substr(0, token.find('='));
}

bool IsBearer(std::string_view authorization, std::string_view token) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) {
    return false;
  }
  authorization.remove_prefix(kScheme.size());
  return authorization.size() == token.size() &&
         CRYPTO_memcmp(authorization.data(), token.data(), token.size()) == 0;
}

std::string Base64(std::string_view bytes) {
  constexpr std::size_t kGroup = 3;
  constexpr std::size_t kDigits = 4;
  std::string text((bytes.size() + kGroup - 1) / kGroup * kDigits + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace vsplit
