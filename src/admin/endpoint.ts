import Type from 'typebox';

export const endpointSchema = Type.Object({ address: Type.String(), port: Type.Integer() });
