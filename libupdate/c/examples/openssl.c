/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Crypto of the host, here OpenSSL's, for an archive that was built with --host-crypto.
 *
 *   libupdate/c/build x86_64-unknown-linux-gnu full --host-crypto
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#include <libupdate.h>

void lu_host_sha256(const struct lu_part *parts, size_t count, uint8_t digest[32])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	int done = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);

	for (size_t at = 0; done && at < count; at++)
		done = EVP_DigestUpdate(hash, parts[at].bytes, parts[at].len);
	/* It cannot fail: the header says so. */
	if (!done || !EVP_DigestFinal_ex(hash, digest, NULL))
		lu_panic();
	EVP_MD_CTX_free(hash);
}

int32_t lu_host_p256_point(const uint8_t *sec1, size_t len, uint8_t point[65])
{
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *found = curve ? EC_POINT_new(curve) : NULL;
	/* It looks whether the point is on the curve, and the neutral element is no key. */
	int good = found && EC_POINT_oct2point(curve, found, sec1, len, NULL) && !EC_POINT_is_at_infinity(curve, found) &&
		   EC_POINT_point2oct(curve, found, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL) == 65;

	EC_POINT_free(found);
	EC_GROUP_free(curve);
	return good ? 0 : 1;
}

/* r and s as DER: each a number without needless zeros, and with one before a bit that would make it negative. */
static size_t put_number(uint8_t *to, const uint8_t *number)
{
	size_t skip = 0, pad;

	while (skip < 31 && number[skip] == 0)
		skip++;
	pad = number[skip] >> 7;
	to[0] = 2;
	to[1] = (uint8_t)(32 - skip + pad);
	to[2] = 0;
	memcpy(to + 2 + pad, number + skip, 32 - skip);
	return 2 + to[1];
}

int32_t lu_host_p256_verify(const uint8_t point[65], const uint8_t digest[32], const uint8_t signature[64])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, 65),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *check = NULL;
	uint8_t der[72] = { 0x30 };
	size_t len = put_number(der + 2, signature);
	int good;

	len += put_number(der + 2 + len, signature + 32);
	der[1] = (uint8_t)len;
	good = maker && EVP_PKEY_fromdata_init(maker) > 0 && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) > 0;
	check = good ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	good = check && EVP_PKEY_verify_init(check) > 0 && EVP_PKEY_verify(check, der, len + 2, digest, 32) == 1;
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(maker);
	return good ? 0 : 1;
}
